//! Reflection, by both of its versions: a client that knows nothing learns all of it.

use futures::stream;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::prost_reflect::DescriptorPool;

use super::{Served, served};

const SERVICES: [&str; 10] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "jaeger.api_v3.QueryService",
    "jaeger.storage.v2.Capabilities",
    "jaeger.storage.v2.DependencyReader",
    "jaeger.storage.v2.TraceReader",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "tempopb.StreamingQuerier",
    "tracewell.v1.TraceQuery",
];

/// A question and its answer, the same in both versions.
macro_rules! ask {
    ($version:ident, $served:expr, $question:ident($text:expr)) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let message_request = Some(MessageRequest::$question($text.to_owned()));
        let request = ServerReflectionRequest { message_request, ..Default::default() };
        let mut client = ServerReflectionClient::new($served.channel.clone());
        let answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
        match { answers }.message().await.unwrap().unwrap().message_response.unwrap() {
            MessageResponse::ListServicesResponse(list) => {
                Answer::Names(list.service.into_iter().map(|service| service.name).collect())
            }
            MessageResponse::FileDescriptorResponse(files) => Answer::Files(files.file_descriptor_proto),
            other => panic!("{other:?}"),
        }
    }};
}

enum Answer {
    Names(Vec<String>),
    Files(Vec<Vec<u8>>),
}

#[derive(Clone, Copy)]
enum Version {
    V1,
    V1Alpha,
}

impl Version {
    async fn services(self, served: &Served) -> Vec<String> {
        let answer = match self {
            Self::V1 => ask!(v1, served, ListServices("")),
            Self::V1Alpha => ask!(v1alpha, served, ListServices("")),
        };
        let Answer::Names(mut names) = answer else { panic!("files for names") };
        names.sort_unstable();
        names
    }

    async fn file_of(self, served: &Served, symbol: &str) -> FileDescriptorProto {
        one_file(match self {
            Self::V1 => ask!(v1, served, FileContainingSymbol(symbol)),
            Self::V1Alpha => ask!(v1alpha, served, FileContainingSymbol(symbol)),
        })
    }

    async fn file(self, served: &Served, name: &str) -> FileDescriptorProto {
        one_file(match self {
            Self::V1 => ask!(v1, served, FileByFilename(name)),
            Self::V1Alpha => ask!(v1alpha, served, FileByFilename(name)),
        })
    }
}

fn one_file(answer: Answer) -> FileDescriptorProto {
    let Answer::Files(files) = answer else { panic!("names for a file") };
    assert_eq!(files.len(), 1);
    FileDescriptorProto::decode(files[0].as_slice()).unwrap()
}

/// Guarantees: both versions list what the server has, no more, and describe each service with all that it imports:
/// the files fit together.
#[tokio::test]
async fn every_service_is_described_by_both_versions() {
    let served = served(vec![]).await;
    for version in [Version::V1, Version::V1Alpha] {
        assert_eq!(version.services(&served).await, SERVICES);
        let mut files: Vec<FileDescriptorProto> = Vec::new();
        for service in SERVICES {
            let mut wanted = vec![version.file_of(&served, service).await];
            while let Some(file) = wanted.pop() {
                if files.iter().all(|known| known.name != file.name) {
                    for import in &file.dependency {
                        wanted.push(version.file(&served, import).await);
                    }
                    files.push(file);
                }
            }
        }
        let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: files }).unwrap();
        for service in SERVICES {
            assert!(pool.get_service_by_name(service).unwrap().methods().len() > 0, "{service}");
        }
        assert!(pool.get_message_by_name("opentelemetry.proto.common.v1.AnyValue").is_some());
    }
}

/// Guarantees: what is written in our .proto file can be read by reflection.
#[tokio::test]
async fn comments_are_described_too() {
    let served = served(vec![]).await;
    let file = Version::V1.file_of(&served, "tracewell.v1.TraceQuery.GetTrace").await;
    let locations = file.source_code_info.unwrap().location;
    assert!(locations.iter().any(|location| location.leading_comments().contains("All spans of one trace")));
}

/// Guarantees: what stands in the details of an error can be read by reflection, so that grpcurl prints it.
#[tokio::test]
async fn details_of_errors_are_described_too() {
    let served = served(vec![]).await;
    for version in [Version::V1, Version::V1Alpha] {
        for detail in ["google.rpc.BadRequest", "google.rpc.RetryInfo"] {
            let name = detail.rsplit('.').next().unwrap();
            let file = version.file_of(&served, detail).await;
            assert!(file.message_type.iter().any(|message| message.name() == name), "{detail}");
        }
    }
}
