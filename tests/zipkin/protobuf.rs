//! Zipkin's protobuf messages as a sender has them, and whether they are those of `proto/zipkin/zipkin.proto`.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use tracewell::model::UnixNanos;
use tracewell::otlp::decode::Memory;
use tracewell::zipkin::decode::protobuf_within;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes, tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes, tag = "2")]
    pub(crate) parent_id: Vec<u8>,
    #[prost(bytes, tag = "3")]
    pub(crate) id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(crate) kind: i32,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(fixed64, tag = "6")]
    pub(crate) timestamp: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) duration: u64,
    #[prost(message, optional, tag = "8")]
    pub(crate) local_endpoint: Option<Endpoint>,
    #[prost(message, optional, tag = "9")]
    pub(crate) remote_endpoint: Option<Endpoint>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) annotations: Vec<Annotation>,
    #[prost(map = "string, string", tag = "11")]
    pub(crate) tags: HashMap<String, String>,
    #[prost(bool, tag = "12")]
    pub(crate) debug: bool,
    #[prost(bool, tag = "13")]
    pub(crate) shared: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Endpoint {
    #[prost(string, tag = "1")]
    pub(crate) service_name: String,
    #[prost(bytes, tag = "2")]
    pub(crate) ipv4: Vec<u8>,
    #[prost(bytes, tag = "3")]
    pub(crate) ipv6: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(crate) port: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Annotation {
    #[prost(fixed64, tag = "1")]
    pub(crate) timestamp: u64,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListOfSpans {
    #[prost(message, repeated, tag = "1")]
    pub(crate) spans: Vec<Span>,
}

/// Scenario: the `.proto` file is compiled. Guarantee: names, numbers and types are those that the senders above have.
#[test]
fn the_proto_file_says_what_is_sent() {
    let mut compiler = protox::Compiler::new([Path::new(env!("CARGO_MANIFEST_DIR")).join("proto")]).unwrap();
    compiler.open_file("zipkin/zipkin.proto").unwrap();
    let set = compiler.file_descriptor_set();
    let file = &set.file[0];
    assert_eq!(file.package(), "zipkin.proto3");
    let fields = |name: &str| {
        let message = file.message_type.iter().find(|message| message.name() == name).unwrap();
        let field = |field: &prost_types::FieldDescriptorProto| {
            format!("{} {} {}", field.number(), field.name(), field.r#type().as_str_name())
        };
        message.field.iter().map(field).collect::<Vec<_>>().join(", ")
    };
    let span = "1 trace_id TYPE_BYTES, 2 parent_id TYPE_BYTES, 3 id TYPE_BYTES, 4 kind TYPE_ENUM, 5 name TYPE_STRING, \
                6 timestamp TYPE_FIXED64, 7 duration TYPE_UINT64, 8 local_endpoint TYPE_MESSAGE, \
                9 remote_endpoint TYPE_MESSAGE, 10 annotations TYPE_MESSAGE, 11 tags TYPE_MESSAGE, 12 debug TYPE_BOOL, \
                13 shared TYPE_BOOL";
    assert_eq!(fields("Span"), span);
    assert_eq!(
        fields("Endpoint"),
        "1 service_name TYPE_STRING, 2 ipv4 TYPE_BYTES, 3 ipv6 TYPE_BYTES, 4 port TYPE_INT32"
    );
    assert_eq!(fields("Annotation"), "1 timestamp TYPE_FIXED64, 2 value TYPE_STRING");
    assert_eq!(fields("ListOfSpans"), "1 spans TYPE_MESSAGE");
}

/// Scenario: bad spans, each of another service. Guarantee: what is kept of them is counted, and so is bounded.
#[test]
fn services_of_bad_spans_are_counted() {
    let span = |number: usize| {
        let service_name = format!("service-{number}");
        Span { local_endpoint: Some(Endpoint { service_name, ..Endpoint::default() }), ..Span::default() }
    };
    let taken = |spans: usize| {
        let memory = Memory::unbounded();
        let list = ListOfSpans { spans: (0..spans).map(span).collect() };
        let decoded = protobuf_within(&list.encode_to_vec(), UnixNanos(1), &memory).unwrap();
        assert!(decoded.spans.is_empty());
        memory.taken_bytes()
    };
    assert!(taken(2_000) > taken(1_000) + 1_000 * 256);
}
