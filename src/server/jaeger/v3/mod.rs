//! `jaeger.api_v3.QueryService`: `grpc.rs` is the service, `http.rs` its paths below `/api/v3/`.

mod grpc;
mod http;

pub(super) use grpc::service;
pub(super) use http::router;
