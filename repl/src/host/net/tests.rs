//! Waiting for the world ends, and what is sent is counted.

use super::*;
use jet_vm::host::{HostTrap, HostUsage, Limits};
use std::net::TcpListener;

/// Somebody who takes connections and says nothing.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn net(port: u16) -> Net {
    let grant = NetGrant::of(Some(vec![format!("127.0.0.1:{port}")]));
    Net::new(&grant)
        .unwrap()
        .with_patience(Duration::from_millis(100))
}

fn ask(
    net: &mut Net,
    method: &str,
    args: &[HostValue],
    limits: &Limits,
    memory: u64,
) -> (HostResult, u64) {
    let mut usage = HostUsage::default();
    let mut cx = HostCx::new(limits, &mut usage, memory, None);
    let index = METHODS.iter().position(|m| m.name == method).unwrap();
    let answer = match net.call(index, args, &mut cx) {
        HostAnswer::Now(answer) => answer,
        HostAnswer::Later(ticket) => ticket.wait(None).unwrap(),
    };
    (answer, usage.output)
}

fn timed_out(answer: &HostResult) -> bool {
    matches!(
        answer,
        Err(HostFailure::Error {
            error: "NetError",
            variant: 2,
            ..
        })
    )
}

#[test]
fn silence_is_an_error_in_time() {
    let (_listener, port) = silent();
    let (mut net, limits) = (net(port), Limits::default());
    let url = HostValue::str(&format!("http://127.0.0.1:{port}/"));
    let (answer, _) = ask(&mut net, "get", &[url], &limits, 1 << 20);
    assert!(timed_out(&answer), "{answer:?}");
    let to = [HostValue::str("127.0.0.1"), HostValue::Int(port.into())];
    let (answer, _) = ask(&mut net, "connect", &to, &limits, 1 << 20);
    let socket = answer.unwrap();
    let (answer, _) = ask(
        &mut net,
        "receive",
        &[socket.clone(), HostValue::Int(1)],
        &limits,
        1 << 20,
    );
    assert!(timed_out(&answer), "{answer:?}");
    // More than the system keeps for somebody who does not read.
    let much = HostValue::Bytes(vec![0; 64 << 20]);
    let (answer, _) = ask(&mut net, "send", &[socket.clone(), much], &limits, 1 << 20);
    assert!(timed_out(&answer), "{answer:?}");
    // Where there is no room, nothing that came is not the end.
    let (answer, _) = ask(
        &mut net,
        "receive",
        &[socket.clone(), HostValue::Int(1)],
        &limits,
        0,
    );
    assert!(
        matches!(answer, Err(HostFailure::Trap(HostTrap::Limit(_), _))),
        "{answer:?}"
    );
    let (answer, _) = ask(&mut net, "close", &[socket], &limits, 0);
    assert_eq!(answer, Ok(HostValue::Unit));
}

#[test]
fn everything_that_is_sent_is_output() {
    let mut net = net(1);
    let url = "http://127.0.0.1:1/?data";
    let pair = HostValue::Record(vec![HostValue::str("x-a"), HostValue::str("bc")]);
    let request = HostValue::Record(vec![
        HostValue::str(url),
        HostValue::str("DELETE"),
        HostValue::List(vec![pair]),
        HostValue::Bytes(vec![1, 2]),
        HostValue::Int(0),
    ]);
    let (_, sent) = ask(
        &mut net,
        "request",
        std::slice::from_ref(&request),
        &Limits::default(),
        1 << 20,
    );
    assert_eq!(sent, url.len() as u64 + 6 + 5 + 2);
    let (_, sent) = ask(
        &mut net,
        "get",
        &[HostValue::str(url)],
        &Limits::default(),
        1 << 20,
    );
    assert_eq!(sent, url.len() as u64 + 3);
    let to = [HostValue::str("elsewhere.example"), HostValue::Int(1)];
    let (_, sent) = ask(&mut net, "connect", &to, &Limits::default(), 1 << 20);
    assert_eq!(sent, 17);
    let tight = Limits {
        output: 20,
        ..Limits::default()
    };
    let (answer, _) = ask(&mut net, "request", &[request], &tight, 1 << 20);
    assert!(
        matches!(answer, Err(HostFailure::Trap(HostTrap::Limit(_), _))),
        "{answer:?}"
    );
}
