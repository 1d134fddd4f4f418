//! One HTTP request at a time, by hand, so that a cut connection is seen as what it is.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Status and body of the answer to a `GET`.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
}

/// Status of the answer to a span sent by OTLP/HTTP in JSON: the `number`th of the service "sender".
pub(crate) fn send_span(address: SocketAddr, number: u64) -> io::Result<u16> {
    let resource = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"sender"}}]}"#;
    let ids = format!(r#""traceId":"{number:032x}","spanId":"{number:016x}""#);
    let span = format!(r#"{{{ids},"name":"s","startTimeUnixNano":"{number}","endTimeUnixNano":"{number}"}}"#);
    let body = format!(r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    post(address, "/v1/traces", "application/json", &body).map(|(status, _)| status)
}

/// Status and body of the answer to a `POST`.
pub(crate) fn post(address: SocketAddr, path: &str, content_type: &str, body: &str) -> io::Result<(u16, String)> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: {content_type}\r\n");
    exchange(address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn exchange(address: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    status.map(|status| (status, body)).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}
