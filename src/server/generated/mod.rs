//! gRPC code and descriptors made from the files in `proto/`; `tests/codegen` makes them and sees that they are in
//! step. Nothing here is written by hand but this file.

#![allow(clippy::all, clippy::pedantic, clippy::allow_attributes, missing_docs, reason = "not written by hand")]

/// Package `tracewell.v1`: messages, the server's trait and the client.
pub mod tracewell_v1 {
    include!("tracewell.v1.rs");
}

/// Package `tempopb`: what Grafana's Tempo data source calls. OTLP's types stand for Tempo's copies of them.
pub mod tempopb {
    include!("tempopb.rs");
}

/// The files of `tracewell.v1` and all that they import, as an encoded `google.protobuf.FileDescriptorSet` with comments.
pub const TRACEWELL_DESCRIPTORS: &[u8] = include_bytes!("tracewell.v1.bin");

/// The same of `tempopb`.
pub const TEMPOPB_DESCRIPTORS: &[u8] = include_bytes!("tempopb.bin");
/// The packages of `proto/jaeger/`, each where its name says.
pub mod jaeger {
    /// Package `jaeger.api_v3`.
    pub mod api_v3 {
        include!("jaeger.api_v3.rs");
    }
    /// Packages `jaeger.expression.…`.
    pub mod expression {
        /// Package `jaeger.expression.v1`.
        pub mod v1 {
            include!("jaeger.expression.v1.rs");
        }
    }
    /// Packages `jaeger.storage.…`.
    pub mod storage {
        /// Package `jaeger.storage.v2`.
        pub mod v2 {
            include!("jaeger.storage.v2.rs");
        }
    }
}

/// The files of `proto/jaeger/` and all that they import, as [`TRACEWELL_DESCRIPTORS`] has its own.
pub const JAEGER_DESCRIPTORS: &[u8] = include_bytes!("jaeger.bin");
