//! Files that cannot be written whole are not written at all, and the program goes on.

use std::process::Command;

use super::{Attempt, JETVM, World, ended, recorded};

const WRITES: &str = r#"
fn main(args: [string]) uses Console + FileWrite + FileRead:
    let long = "x".repeat(100_000)
    Console.print(told(FileWrite.write_text("out/new.txt", long)))
    Console.print(told(FileWrite.write_text("out/old.txt", long)))
    Console.print(told(FileWrite.write_bytes("out/old.txt", long.bytes())))
    Console.print(told(FileWrite.append_text("out/old.txt", long)))
    Console.print(told(FileWrite.write_text("out/short.txt", "fits")))
    Console.print(FileRead.read_text("out/old.txt") else "unreadable")
    Console.print(FileRead.read_text("out/new.txt") else "no file")

fn told(done: Result[(), IoError]) -> string:
    return match done:
        Ok(_) => "ok"
        Err(IoError.Other(why)) => why
        Err(e) => e.show()
"#;

/// A folder `out` that holds a file, and the program beside it.
fn world(name: &str) -> World {
    let world = World::new(name);
    std::fs::create_dir(world.0.join("out")).expect("folder");
    world.write("out/old.txt", "what was there");
    world.write("writes.jet", WRITES);
    world
}

/// Runs the program in a shell where each long file fails with `why`, and looks at what it leaves.
fn long_files_fail(world: &World, family: &str, shell: &[&str], before: &str, why: &str) {
    let line = format!(
        "{before} && {JETVM} run writes.jet --allow-write=out --allow-read=out && ls -A out"
    );
    let run = Command::new(shell[0])
        .args(&shell[1..])
        .args(["bash", "-c", &line])
        .current_dir(&world.0)
        .output()
        .expect("a shell");
    let ended = ended(run);
    let tried = [
        "write_text of a new file",
        "write_text over a file",
        "write_bytes over a file",
        "append_text",
    ];
    let attempts: Vec<_> = tried
        .iter()
        .zip(ended.lines())
        .map(|(what, ends)| Attempt::new(*what, ends))
        .collect();
    recorded(family, &attempts);
    let left = ["ok", "what was there", "no file", "old.txt", "short.txt"];
    assert_eq!(
        ended.lines(),
        [&[why; 4][..], &left[..]].concat(),
        "{}",
        ended.err
    );
}

#[test]
fn a_file_that_may_not_grow_is_not_half_written() {
    let world = world("large");
    let why = "the file may not grow that large";
    // The kernel stops every file at 16 KiB.
    long_files_fail(
        &world,
        "Files that do not fit",
        &["env"],
        "ulimit -f 16",
        why,
    );
}

#[test]
fn a_full_disk_leaves_no_half_written_file() {
    let world = world("full");
    // A file system of 48 KiB that nobody else sees.
    let alone = ["unshare", "--user", "--map-root-user", "--mount"];
    let can = Command::new(alone[0])
        .args(&alone[1..])
        .arg("true")
        .status();
    if !can.is_ok_and(|s| s.success()) {
        println!("not run: this system gives users no file systems of their own");
        return;
    }
    let before = "mv out/old.txt . && mount -t tmpfs -o size=48k tmpfs out && mv old.txt out/";
    let why = "the disk is full";
    long_files_fail(&world, "A disk that is full", &alone, before, why);
}
