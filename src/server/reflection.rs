//! gRPC reflection, v1 and v1alpha: what grpcurl, evans and Postman ask a server about before they can call it.
//!
//! Each of the two describes every service of this server, itself and the other included, and every file that those
//! need: a client stops at the first import that it can not fetch.

use std::collections::BTreeMap;

use opentelemetry_proto::DESCRIPTORS as OTLP_DESCRIPTORS;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic_health::pb::FILE_DESCRIPTOR_SET as HEALTH_DESCRIPTORS;
use tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET as REFLECTION_V1_DESCRIPTORS;
use tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET as REFLECTION_V1ALPHA_DESCRIPTORS;
use tonic_reflection::server::{Builder, Error, v1, v1alpha};
use tonic_types::pb::FILE_DESCRIPTOR_SET as STATUS_DESCRIPTORS;

use super::generated::{JAEGER_DESCRIPTORS, TEMPOPB_DESCRIPTORS, TRACEWELL_DESCRIPTORS};

/// Where descriptors come from. OTLP's stand before ours, which have a copy of one of its files.
const SOURCES: [&[u8]; 8] = [
    OTLP_DESCRIPTORS,
    TRACEWELL_DESCRIPTORS,
    TEMPOPB_DESCRIPTORS,
    JAEGER_DESCRIPTORS,
    HEALTH_DESCRIPTORS,
    REFLECTION_V1_DESCRIPTORS,
    REFLECTION_V1ALPHA_DESCRIPTORS,
    STATUS_DESCRIPTORS,
];

/// A message of the file that no service needs and every error does: what the details of a status consist of.
const STATUS_DETAIL: &str = "BadRequest";

/// The services that this server has at its gRPC address. (OTLP's descriptors hold those for logs, metrics and profiles,
/// too.)
pub const ALL: [&str; 10] = [
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

/// Those at the address of Jaeger's query.
pub const JAEGER_QUERY: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "jaeger.api_v3.QueryService",
];

/// Both reflection services, for an address that has these services. Fails only when a descriptor can not be read, which a
/// test excludes.
pub fn services(
    names: &[&str],
) -> Result<
    (
        v1::ServerReflectionServer<impl v1::ServerReflection>,
        v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>,
    ),
    Error,
> {
    let files = descriptors(names)?;
    let builder = || Builder::configure().include_reflection_service(false).register_file_descriptor_set(files.clone());
    Ok((builder().build_v1()?, builder().build_v1alpha()?))
}

/// The files of these services and of the details of errors, with all that they import, each once.
fn descriptors(names: &[&str]) -> Result<FileDescriptorSet, Error> {
    let mut known = BTreeMap::new();
    for source in SOURCES {
        for file in FileDescriptorSet::decode(source)?.file {
            known.entry(file.name().to_owned()).or_insert(file);
        }
    }
    let mut wanted: Vec<_> = known
        .values()
        .filter(|file| has_service(file, names) || has_status_details(file))
        .map(|file| file.name().to_owned())
        .collect();
    let mut files = Vec::new();
    while let Some(name) = wanted.pop() {
        if let Some(file) = known.remove(&name) {
            wanted.extend_from_slice(&file.dependency);
            files.push(file);
        }
    }
    Ok(FileDescriptorSet { file: files })
}

fn has_service(file: &FileDescriptorProto, names: &[&str]) -> bool {
    let mut services = file.service.iter().map(|service| format!("{}.{}", file.package(), service.name()));
    services.any(|service| names.contains(&service.as_str()))
}

fn has_status_details(file: &FileDescriptorProto) -> bool {
    file.package() == "google.rpc" && file.message_type.iter().any(|message| message.name() == STATUS_DETAIL)
}
