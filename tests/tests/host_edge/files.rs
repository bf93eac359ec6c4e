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

#[test]
fn a_full_disk_leaves_no_half_written_file() {
    let world = World::new("full");
    std::fs::create_dir(world.0.join("out")).expect("folder");
    world.write("out/old.txt", "what was there");
    world.write("writes.jet", WRITES);
    // The kernel stops every file at 16 KiB.
    let line =
        format!("ulimit -f 16 && exec {JETVM} run writes.jet --allow-write=out --allow-read=out");
    let run = Command::new("bash")
        .args(["-c", &line])
        .current_dir(&world.0)
        .output()
        .expect("bash");
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
    recorded("Files that do not fit", &attempts);
    let why = "the file may not grow that large";
    assert_eq!(
        ended.lines(),
        [why, why, why, why, "ok", "what was there", "no file"]
    );
    let mut names: Vec<_> = std::fs::read_dir(world.0.join("out"))
        .expect("folder")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .collect();
    names.sort();
    assert_eq!(names, ["old.txt", "short.txt"]);
}
