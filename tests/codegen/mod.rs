//! The checked-in gRPC code is the one that `proto/` gives, and OTLP's part of `proto/` is OTLP's.
//!
//! After a change of a .proto file: `TRACEWELL_UPDATE_GENERATED=1 cargo test --test main codegen`.

use std::fs;
use std::path::{Path, PathBuf};

use opentelemetry_proto::DESCRIPTORS;
use prost::Message;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver};

const UPDATE_VARIABLE: &str = "TRACEWELL_UPDATE_GENERATED";

/// What is made together: the name of the descriptors, the files, and the packages that have code of their own.
const SETS: [(&str, &[&str], &[&str]); 3] = [
    ("tracewell.v1", &["tracewell/v1/query.proto"], &["tracewell.v1"]),
    ("tempopb", &["tempopb/tempo.proto"], &["tempopb"]),
    (
        "jaeger",
        &[
            "jaeger/api_v3/query_service.proto",
            "jaeger/storage/v2/capabilities.proto",
            "jaeger/storage/v2/dependency_storage.proto",
            "jaeger/storage/v2/trace_storage.proto",
        ],
        &["jaeger.api_v3", "jaeger.expression.v1", "jaeger.storage.v2"],
    ),
];

const COMMON: &str = "opentelemetry/proto/common/v1/common.proto";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// These files of `proto/` and what they import, comments included: reflection shows them. OTLP's own files are those of
/// its crate.
fn compiled(files: &[&str]) -> FileDescriptorSet {
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(repository().join("proto")));
    resolver.add(DescriptorSetFileResolver::decode(DESCRIPTORS).unwrap());
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files).unwrap();
    compiler.file_descriptor_set()
}

/// The code of these packages, by the names of their files.
fn generated_code(descriptors: FileDescriptorSet, packages: &[&str]) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen").join(packages[0]);
    fs::create_dir_all(&folder).unwrap();
    let mut builder =
        tonic_prost_build::configure().build_transport(false).emit_rerun_if_changed(false).out_dir(&folder);
    for package in ["common", "resource", "trace"] {
        let ours = format!("::opentelemetry_proto::tonic::{package}::v1");
        builder = builder.extern_path(format!(".opentelemetry.proto.{package}.v1"), ours.clone());
        // Tempo has copies of OTLP's messages under names of its own. They are the same bytes, so OTLP's types stand for them
        // and what `otlp::encode` gives goes into an answer as it is; their .proto files are there for the descriptors alone.
        builder = builder.extern_path(format!(".tempopb.{package}.v1"), ours);
    }
    builder.compile_fds(descriptors).unwrap();
    let name = |package: &&str| format!("{package}.rs");
    packages.iter().map(name).map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn the_checked_in_code_is_what_the_proto_files_give() {
    for (set, files, packages) in SETS {
        let descriptors = compiled(files);
        let mut expected = vec![(format!("{set}.bin"), descriptors.encode_to_vec())];
        expected.extend(generated_code(descriptors, packages));
        for (name, expected) in expected {
            let path = repository().join("src/server/generated").join(&name);
            if std::env::var_os(UPDATE_VARIABLE).is_some() {
                fs::write(&path, &expected).unwrap();
            }
            let is_same = fs::read(&path).unwrap_or_default() == expected;
            assert!(is_same, "{name} is out of date: run the test once with {UPDATE_VARIABLE}=1");
        }
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
    let ours = file(compiled(&["tracewell/v1/query.proto"]), COMMON);
    let original = file(FileDescriptorSet::decode(DESCRIPTORS).unwrap(), COMMON);
    assert_eq!(ours.package, original.package);
    let forms = |file: &FileDescriptorProto| file.message_type.iter().map(wire_form).collect::<Vec<_>>();
    assert_eq!(forms(&ours), forms(&original));
}

/// What a file says of its messages' fields: the message, and the field's name, number, label, type and type's name.
fn fields(message: &DescriptorProto, within: &str) -> Vec<String> {
    let name = format!("{within}.{}", message.name());
    let own = message.field.iter().map(|field| {
        let FieldDescriptorProto { name: field_name, number, label, r#type, type_name, .. } = field;
        format!("{name} {field_name:?} {number:?} {label:?} {type:?} {type_name:?}")
    });
    own.chain(message.nested_type.iter().flat_map(|nested| fields(nested, &name))).collect()
}

/// Guarantee: what Tempo's copies of OTLP's messages say, OTLP's say as well, so that these can stand for them.
#[test]
fn tempos_copies_say_what_otlp_says() {
    let (ours, original) = (compiled(&["tempopb/tempo.proto"]), FileDescriptorSet::decode(DESCRIPTORS).unwrap());
    for part in ["common/v1/common.proto", "resource/v1/resource.proto", "trace/v1/trace.proto"] {
        let said = |file: &FileDescriptorProto| {
            let messages = file.message_type.iter();
            messages.flat_map(|message| fields(message, "")).collect::<Vec<_>>()
        };
        let copies = said(&file(ours.clone(), &format!("tempopb/{part}")));
        let originals = said(&file(original.clone(), &format!("opentelemetry/proto/{part}")));
        assert!(copies.len() > 1);
        for copy in copies {
            let copy = copy.replace(".tempopb.", ".opentelemetry.proto.");
            assert!(originals.contains(&copy), "OTLP's {part} does not say {copy}");
        }
    }
}
