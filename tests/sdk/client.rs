//! Who asks: clients that were told an address and nothing else. They learn the methods and messages by reflection, the
//! one in Python by v1alpha, grpcurl by v1.

use std::env;

use serde_json::{Deserializer, Value};

use super::sender::given;
use crate::support::process::{Server, command, run};

/// A client.
#[derive(Debug, Clone)]
pub(crate) enum Client {
    /// `python/query.py`.
    Python,
    /// The grpcurl at this path.
    Grpcurl(String),
}

impl Client {
    /// All there are: grpcurl only when `scripts/test` found or built one.
    pub(crate) fn all() -> Vec<Self> {
        let grpcurl = env::var("TRACEWELL_TEST_GRPCURL").ok().map(Self::Grpcurl);
        [Self::Python].into_iter().chain(grpcurl).collect()
    }

    /// Calls a method of the query service: the answers, or what the client says of the refusal.
    pub(crate) fn call(&self, server: &Server, method: &str, request: &Value) -> Result<Vec<Value>, String> {
        let (address, request) = (server.grpc.to_string(), request.to_string());
        let method = format!("tracewell.v1.TraceQuery/{method}");
        let printed = match self {
            Self::Python => run(python().args([address, method, request])),
            Self::Grpcurl(path) => run(command(path).args(["-plaintext", "-d", &request, &address, &method])),
        }?;
        Ok(Deserializer::from_str(&printed).into_iter().collect::<Result<_, _>>().unwrap())
    }

    /// The names of all services.
    pub(crate) fn services(&self, server: &Server) -> Vec<String> {
        let address = server.grpc.to_string();
        let printed = match self {
            Self::Python => run(python().arg(address)),
            Self::Grpcurl(path) => run(command(path).args(["-plaintext", &address, "list"])),
        };
        printed.unwrap().lines().map(str::to_owned).collect()
    }
}

fn python() -> std::process::Command {
    let mut command = command(&given("TRACEWELL_TEST_PYTHON"));
    command.arg("tests/sdk/python/query.py");
    command
}
