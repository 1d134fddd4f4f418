//! Who sends: `python/send.py` and `node/send.mjs`, by every protocol that their SDK has a released exporter for.

use std::env;

use serde_json::Value;

use crate::support::process::{Server, command, run};

/// One SDK with one protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    language: Language,
    protocol: &'static str,
    gzip: bool,
}

#[derive(Debug, Clone, Copy)]
enum Language {
    Python,
    Node,
}

/// Each language and protocol, plain and compressed.
pub(crate) const SENDERS: [Sender; 10] = [
    Sender { language: Language::Python, protocol: "grpc", gzip: false },
    Sender { language: Language::Python, protocol: "grpc", gzip: true },
    Sender { language: Language::Python, protocol: "http/protobuf", gzip: false },
    Sender { language: Language::Python, protocol: "http/protobuf", gzip: true },
    Sender { language: Language::Node, protocol: "grpc", gzip: false },
    Sender { language: Language::Node, protocol: "grpc", gzip: true },
    Sender { language: Language::Node, protocol: "http/protobuf", gzip: false },
    Sender { language: Language::Node, protocol: "http/protobuf", gzip: true },
    Sender { language: Language::Node, protocol: "http/json", gzip: false },
    Sender { language: Language::Node, protocol: "http/json", gzip: true },
];

impl Sender {
    /// The name of its service, which no other sender has.
    pub(crate) fn service(self) -> String {
        format!("{:?} {}{}", self.language, self.protocol, if self.gzip { " gzip" } else { "" })
    }

    /// Sends so many traces; returns what it says that it sent.
    pub(crate) fn send(self, server: &Server, traces: usize) -> Value {
        let mut command = match self.language {
            Language::Python => {
                let mut command = command(&given("TRACEWELL_TEST_PYTHON"));
                command.arg("tests/sdk/python/send.py");
                command
            }
            Language::Node => {
                let mut command = command(&given("TRACEWELL_TEST_NODE"));
                command.arg("tests/sdk/node/send.mjs");
                command.env("NODE_PATH", format!("{}/node_modules", given("TRACEWELL_TEST_NODE_PATH")));
                command
            }
        };
        let address = if self.protocol == "grpc" { server.grpc } else { server.http };
        command.args(["--protocol", self.protocol, "--endpoint", &format!("http://{address}")]);
        command.args(["--service", &self.service(), "--count", &traces.to_string()]);
        command.args(self.gzip.then_some("--gzip"));
        let sent = run(&mut command).unwrap_or_else(|complaint| panic!("{self:?}: {complaint}"));
        serde_json::from_str(&sent).unwrap()
    }
}

/// A variable that `scripts/test` sets.
pub(crate) fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: please run scripts/test, or set it as that does"))
}
