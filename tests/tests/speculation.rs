//! The gadget of speculation past a bounds check (Kocher et al., "Spectre Attacks", 2019, variant 1) in Jet: without a timer
//! it does not compile (`adversarial/deputies/timing_probe.jet`); with one, code that nobody trusts has the index of every
//! access made harmless behind its check.

use std::process::Command;

const GADGET: &str = "\
fn touch(secret: [int], pages: [int], i: int) -> int:
    return pages[secret[i] * 512]

fn main() uses Console + Timer:
    let secret = (0..16).map(fn(i) => i * 16)
    let pages = [1; 256 * 512]
    let mut sum = 0
    let mut best = 0
    for round in 0..200_000:
        let start = Timer.nanos()
        sum += touch(secret, pages, round % 16)
        if Timer.nanos() - start > 100_000_000_000:
            best = round % 16
    Console.print(f\"{sum} {best}\")
";

/// What the region of `touch` became, in Cranelift's form and in the machine's.
fn dumped(flags: &[&str]) -> String {
    let dir = std::env::temp_dir().join(format!(
        "jet-speculation-{}-{}",
        std::process::id(),
        flags.len()
    ));
    std::fs::create_dir_all(&dir).expect("a folder");
    std::fs::write(dir.join("gadget.jet"), GADGET).expect("the program");
    let ran = Command::new(env!("CARGO_BIN_EXE_jetvm-under-test"))
        .current_dir(&dir)
        .args(["run", "gadget.jet", "--jit=on", "--jit-dump=clif,asm"])
        .args(["--allow-timer", "--fuel=1000000000", "--max-time=60s"])
        .args(flags)
        .output()
        .expect("jetvm starts");
    std::fs::remove_dir_all(&dir).expect("the folder is there");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "200000 0\n");
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    let at = text.find("; gadget.touch+0\n").expect("machine code of it");
    let rest = &text[at + 2..];
    rest.split("\n; gadget.")
        .next()
        .expect("a first part")
        .to_owned()
}

#[test]
fn accesses_of_untrusted_code_are_masked_in_machine_code() {
    if !jet_jit::supported() {
        return;
    }
    // By Cranelift's name, and by that of the machine's instructions.
    let count = |text: &str| {
        let moves = ["cmov", "csel"].map(|m| text.matches(m).count());
        (
            text.matches("select_spectre_guard").count(),
            moves[0] + moves[1],
        )
    };
    assert_eq!(count(&dumped(&[])), (0, 0));
    assert_eq!(count(&dumped(&["--untrusted"])), (2, 2));
}
