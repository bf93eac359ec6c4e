//! What is left of a program when its call is over.

use super::*;
use crate::host::{HostUsage, Limits};

fn shell(process: &Process, line: &str) -> HostResult {
    let (limits, mut usage) = (Limits::default(), HostUsage::default());
    let mut cx = HostCx::new(&limits, &mut usage, 1 << 20, None);
    let words = ["-c", line].map(HostValue::str);
    process.run("sh", &words, b"input", &mut cx)
}

fn shells() -> Process {
    let grant = RunGrant::of(Some(vec![vec!["sh".into(), "-c".into()]]));
    Process::new(&grant, Path::new("/")).unwrap()
}

fn variant(result: &HostResult) -> Option<u8> {
    match result {
        Err(HostFailure::Error { variant, .. }) => Some(*variant),
        _ => None,
    }
}

#[test]
fn programs_have_so_much_time() {
    let process = shells().with_patience(Duration::from_millis(100));
    let timed_out = shell(&process, "sleep 1000");
    assert_eq!(variant(&timed_out), Some(2), "{timed_out:?}");
}

#[test]
fn streams_are_closed_with_the_call() {
    let dir = std::env::temp_dir().join(format!("jet-streams-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("left").display().to_string();
    // Somebody in a session of his own keeps the streams open.
    let line = format!(
        "exec 3>&1; readlink /proc/$$/fd/3 /proc/$$/fd/2 > {file}; \
         setsid sh -c 'echo $$ >> {file}; exec sleep 1000' & \
         until [ $(wc -l < {file}) = 3 ]; do sleep 0.01; done"
    );
    let left_open = shell(&shells(), &line);
    assert_eq!(variant(&left_open), Some(1), "{left_open:?}");
    let said = std::fs::read_to_string(&file).unwrap();
    let [out, err, left] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("{said}")
    };
    assert!(
        out.starts_with("pipe:") && err.starts_with("pipe:"),
        "{said}"
    );
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let open = std::fs::read_link(entry.path()).unwrap_or_default();
        assert!(
            open != Path::new(out) && open != Path::new(err),
            "{open:?} is open"
        );
    }
    Command::new("kill").arg(left).status().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_number_that_may_be_given_again_is_not_signalled() {
    let mut leader = Command::new("sh");
    let leader = leader
        .args(["-c", "read x"])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut group = Group::of(leader.unwrap());
    // Somebody else in a group of that number.
    let number = i32::try_from(group.leader.id()).unwrap();
    let mut other = Command::new("sleep")
        .arg("1000")
        .process_group(number)
        .spawn()
        .unwrap();
    drop(group.leader.stdin.take());
    group.wait().unwrap();
    drop(group);
    assert!(other.try_wait().unwrap().is_none(), "it was killed");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn much_goes_in_and_out() {
    let (limits, mut usage) = (Limits::default(), HostUsage::default());
    let mut cx = HostCx::new(&limits, &mut usage, 64 << 20, None);
    let words = ["-c", "cat; cat /dev/null >&2; exit 3"].map(HostValue::str);
    let input: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
    let answer = shells().run("sh", &words, &input, &mut cx).unwrap();
    let wanted = [
        HostValue::Int(3),
        HostValue::Bytes(input),
        HostValue::Bytes(Vec::new()),
    ];
    assert!(answer == HostValue::Record(wanted.into()));
    // Nor does a program have to read.
    let done = shells().run(
        "sh",
        &["-c", "exit 0"].map(HostValue::str),
        &vec![0; 1 << 20],
        &mut cx,
    );
    assert!(done.is_ok(), "{done:?}");
}
