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

/// A package that code is made of: its file, its name, and the packages that it imports with the Rust types that stand
/// for theirs.
struct Package {
    file: &'static str,
    name: &'static str,
    types: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 2] = [
    Package {
        file: "tracewell/v1/query.proto",
        name: "tracewell.v1",
        types: &[(".opentelemetry.proto.common.v1", "::opentelemetry_proto::tonic::common::v1")],
    },
    // Tempo has copies of OTLP's messages under names of its own. They are the same bytes, so in Rust OTLP's types stand
    // for them: no code is made of them, and what `otlp::encode` gives goes into an answer as it is. Their .proto files are
    // there for the descriptors alone.
    Package {
        file: "tempopb/tempo.proto",
        name: "tempopb",
        types: &[
            (".tempopb.common.v1", "::opentelemetry_proto::tonic::common::v1"),
            (".tempopb.resource.v1", "::opentelemetry_proto::tonic::resource::v1"),
            (".tempopb.trace.v1", "::opentelemetry_proto::tonic::trace::v1"),
        ],
    },
];

/// A file of `proto/` and what it imports, comments included: reflection shows them.
fn compiled(file: &str) -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([repository().join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(file).unwrap();
    compiler.file_descriptor_set()
}

fn generated_code(package: &Package, descriptors: FileDescriptorSet) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    fs::create_dir_all(&folder).unwrap();
    let builder = tonic_prost_build::configure().build_transport(false);
    let builder = package.types.iter().fold(builder, |builder, (proto, rust)| builder.extern_path(*proto, *rust));
    builder.emit_rerun_if_changed(false).out_dir(&folder).compile_fds(descriptors).unwrap();
    fs::read(folder.join(format!("{}.rs", package.name))).unwrap()
}

#[test]
fn the_checked_in_code_is_what_the_proto_files_give() {
    for package in PACKAGES {
        let descriptors = compiled(package.file);
        let code = generated_code(&package, descriptors.clone());
        for (ending, expected) in [("bin", descriptors.encode_to_vec()), ("rs", code)] {
            let name = format!("{}.{ending}", package.name);
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
    let ours = file(compiled("tracewell/v1/query.proto"), COMMON);
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
    let (ours, original) = (compiled("tempopb/tempo.proto"), FileDescriptorSet::decode(DESCRIPTORS).unwrap());
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
