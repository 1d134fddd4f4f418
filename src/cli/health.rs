//! `tracewell health`: one HTTP request to `/readyz` of a running tracewell, by hand, since nothing else here needs an
//! HTTP client.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Asks the tracewell that listens on `web_listen`; the error says in one sentence why it is not ready.
pub fn check(web_listen: SocketAddr) -> Result<(), String> {
    let address = SocketAddr::new(reachable(web_listen.ip()), web_listen.port());
    let answer = ask(address).map_err(|error| format!("no answer from http://{address}/readyz: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or("no status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    if status == "200" { Ok(()) } else { Err(format!("http://{address}/readyz answers {status}: {body}")) }
}

/// An address that listens on all interfaces is asked on loopback.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_SECONDS_MAX)?;
    stream.set_read_timeout(Some(ANSWER_SECONDS_MAX))?;
    stream.set_write_timeout(Some(ANSWER_SECONDS_MAX))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
