//! Random requests as they should be, in both formats; broken ones are in `mutation`.

use proptest::prelude::*;
use prost::Message;
use tracewell::otlp::decode;

use super::text::json_text;
use super::{messages, property};

proptest! {
    #[test]
    fn a_request_comes_out_as_it_went_in(request in messages::request()) {
        let bytes = request.encode_to_vec();
        prop_assert!(decode::protobuf(&bytes).is_ok());
        property::protobuf(&bytes);
    }

    #[test]
    fn both_formats_say_the_same(request in messages::request()) {
        let text = json_text(&request);
        let from_json = decode::json(text.as_bytes()).unwrap();
        let from_protobuf = decode::protobuf(&request.encode_to_vec()).unwrap();
        prop_assert_eq!(&from_json.spans, &from_protobuf.spans);
        prop_assert_eq!(from_json.rejected.by_reason().collect::<Vec<_>>(),
            from_protobuf.rejected.by_reason().collect::<Vec<_>>());
        property::json(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        property::protobuf(&bytes);
        property::json(&bytes);
    }
}
