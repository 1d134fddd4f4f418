//! Random requests, whole and broken, in both formats.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use serde::de::IgnoredAny;

use super::super::{decode, encode};
use super::messages;
use super::normal::normal;
use super::text::json_text;

/// Some bytes changed, and perhaps some cut off at the end.
fn break_up(bytes: &mut Vec<u8>, changes: &[(Index, u8)], cut: Option<Index>) {
    for (index, byte) in changes {
        if !bytes.is_empty() {
            let index = index.index(bytes.len());
            bytes[index] = *byte;
        }
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len().max(1)));
    }
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    vec((any::<Index>(), prop_oneof![0..=0x20_u8, any::<u8>()]), 1..4)
}

proptest! {
    #[test]
    fn a_request_comes_out_as_it_went_in(request in messages::request()) {
        let decoded = decode::protobuf(&request.encode_to_vec()).unwrap();
        let (spans, bad) = normal(request.resource_spans);
        prop_assert_eq!(decoded.rejected.count(), bad as u64);
        prop_assert_eq!(decoded.repaired, 0);
        prop_assert_eq!(normal(encode::traces_data(&decoded.spans).resource_spans), (spans, 0));
    }

    #[test]
    fn both_formats_say_the_same(request in messages::request()) {
        let from_json = decode::json(json_text(&request).as_bytes()).unwrap();
        let from_protobuf = decode::protobuf(&request.encode_to_vec()).unwrap();
        prop_assert_eq!(&from_json.spans, &from_protobuf.spans);
        prop_assert_eq!(from_json.rejected.by_reason().collect::<Vec<_>>(),
            from_protobuf.rejected.by_reason().collect::<Vec<_>>());
    }

    /// What prost can read of broken bytes, we read, and the same.
    #[test]
    fn broken_protobuf_is_read_no_worse_than_by_prost(
        request in messages::request(), changes in changes(), cut: Option<Index>,
    ) {
        let mut bytes = request.encode_to_vec();
        break_up(&mut bytes, &changes, cut);
        let decoded = decode::protobuf(&bytes);
        if let Ok(request) = ExportTraceServiceRequest::decode(bytes.as_slice()) {
            let decoded = decoded.unwrap();
            let (spans, bad) = normal(request.resource_spans);
            prop_assert_eq!(decoded.rejected.count(), bad as u64);
            prop_assert_eq!(normal(encode::traces_data(&decoded.spans).resource_spans), (spans, 0));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let _ = decode::protobuf(&bytes);
        let _ = decode::json(&bytes);
    }

    #[test]
    fn broken_json_is_survived(request in messages::request(), changes in changes(), cut: Option<Index>) {
        let mut bytes = json_text(&request).into_bytes();
        break_up(&mut bytes, &changes, cut);
        let is_json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        match decode::json(&bytes) {
            // Control characters in texts are let through, unlike by the parser's own check.
            Ok(_) => prop_assert!(is_json || bytes.iter().any(u8::is_ascii_control)),
            Err(error) => {
                prop_assert!(matches!(error, decode::DecodeError::Json { line, .. } if line > 0), "{}", error);
            }
        }
    }
}
