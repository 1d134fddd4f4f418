//! The checked-in gRPC code is the one that `proto/` gives, and OTLP's part of `proto/` is OTLP's.
//!
//! After a change of a .proto file: `TRACEWELL_UPDATE_GENERATED=1 cargo test --test main codegen`.

use std::fs;
use std::path::{Path, PathBuf};

use opentelemetry_proto::DESCRIPTORS;
use prost::Message;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

const UPDATE_VARIABLE: &str = "TRACEWELL_UPDATE_GENERATED";
const COMMON: &str = "opentelemetry/proto/common/v1/common.proto";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything in `proto/` and what it imports, comments included: reflection shows them.
fn compiled() -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([repository().join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("tracewell/v1/query.proto").unwrap();
    compiler.file_descriptor_set()
}

fn generated_code(descriptors: FileDescriptorSet) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    fs::create_dir_all(&folder).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .extern_path(".opentelemetry.proto.common.v1", "::opentelemetry_proto::tonic::common::v1")
        .emit_rerun_if_changed(false)
        .out_dir(&folder)
        .compile_fds(descriptors)
        .unwrap();
    fs::read(folder.join("tracewell.v1.rs")).unwrap()
}

#[test]
fn the_checked_in_code_is_what_the_proto_files_give() {
    let descriptors = compiled();
    let files = [("tracewell.v1.bin", descriptors.encode_to_vec()), ("tracewell.v1.rs", generated_code(descriptors))];
    for (name, expected) in files {
        let path = repository().join("src/server/generated").join(name);
        if std::env::var_os(UPDATE_VARIABLE).is_some() {
            fs::write(&path, &expected).unwrap();
        }
        let is_same = fs::read(&path).unwrap_or_default() == expected;
        assert!(is_same, "{name} is out of date: run the test once with {UPDATE_VARIABLE}=1");
    }
}

/// A message's fields as they are on the wire, and its nested messages'; not comments and options.
fn wire_form(message: &DescriptorProto) -> String {
    let fields = message.field.iter().map(|field| {
        let FieldDescriptorProto { name, number, label, r#type, type_name, oneof_index, .. } = field;
        format!("{name:?} {number:?} {label:?} {type:?} {type_name:?} {oneof_index:?}\n")
    });
    let nested = message.nested_type.iter().map(wire_form);
    format!("{:?}\n{}{}", message.name, fields.collect::<String>(), nested.collect::<String>())
}

fn file(set: FileDescriptorSet, name: &str) -> FileDescriptorProto {
    set.file.into_iter().find(|file| file.name() == name).unwrap()
}

#[test]
fn our_common_proto_says_what_the_original_says() {
    let ours = file(compiled(), COMMON);
    let original = file(FileDescriptorSet::decode(DESCRIPTORS).unwrap(), COMMON);
    assert_eq!(ours.package, original.package);
    let forms = |file: &FileDescriptorProto| file.message_type.iter().map(wire_form).collect::<Vec<_>>();
    assert_eq!(forms(&ours), forms(&original));
}
