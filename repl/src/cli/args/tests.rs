//! Command lines, taken and refused.

use super::*;
use jet_vm::host::{EnvGrant, PathGrant};

fn cli(line: &str) -> Result<Cli, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|refused| match refused {
        Refused::Message(message) => message,
        Refused::Clap(error) => error.to_string(),
        Refused::Help(error, help) => format!("{error}{help}"),
    })
}

fn run(line: &str) -> (RunArgs, RunOptions) {
    match cli(line).unwrap().command {
        Command::Run(args) => {
            let options = args.options().unwrap();
            (*args, options)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_alone_runs_and_flags_stand_on_either_side() {
    for line in [
        "run a.jet --fuel=10 -- x --allow-net",
        "a.jet --fuel=10 -- x --allow-net",
        "--fuel=10 a.jet -- x --allow-net",
        "--fuel=10 run a.jet -- x --allow-net",
        "run --fuel=10 a.jet -- x --allow-net",
    ] {
        let (args, options) = run(line);
        assert_eq!(args.input, PathBuf::from("a.jet"), "{line}");
        assert_eq!(options.limits.fuel, Some(10), "{line}");
        assert_eq!(args.program_args, ["x", "--allow-net"], "{line}");
    }
    assert!(cli("a.jet b.jet").is_err());
    assert!(cli("").is_err());
    assert!(cli("run").is_err());
    assert!(cli("--fuel=1").is_err());
}

#[test]
fn grants_are_lists_and_denials_win() {
    let (_, nothing) = run("a.jet");
    assert_eq!(
        nothing.grants,
        Grants {
            console: true,
            ..Grants::default()
        }
    );
    let (_, some) =
        run("a.jet --allow-read=in,more --allow-read=third --deny-read=in/key --allow-write");
    let list = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let read = PathGrant {
        allow: Some(list(&["in", "more", "third"])),
        deny: list(&["in/key"]),
    };
    assert_eq!(some.grants.read, Some(read));
    assert_eq!(some.grants.write, Some(PathGrant::default()));
    let (_, denied) = run(
        "a.jet --allow-read --deny-read --allow-clock --deny-clock --allow-timer --deny-console",
    );
    assert_eq!(
        denied.grants,
        Grants {
            timer: true,
            ..Grants::default()
        }
    );
    let (_, env) = run("a.jet --allow-env=HOME,PATH --deny-env=PATH");
    let expected = EnvGrant {
        allow: Some(vec!["HOME".into(), "PATH".into()]),
        deny: vec!["PATH".into()],
    };
    assert_eq!(env.grants.env, Some(expected));
}

#[test]
fn untrusted_tightens_what_is_not_set() {
    let (_, options) = run("a.jet --untrusted --max-memory=1G --max-time=1s");
    let expected = Limits {
        memory: 1 << 30,
        time: Some(Duration::from_secs(1)),
        ..Limits::untrusted()
    };
    assert_eq!(options.limits, expected);
    assert_eq!(run("a.jet").1.limits, Limits::default());
}

#[test]
fn modes() {
    let (_, options) = run("a.jet --jit=stress --gc=stress:7 --stats=json --seed=9");
    assert_eq!(
        (options.jit, options.gc),
        (jet_jit::Mode::Stress, GcChoice::Stress(7))
    );
    assert_eq!(
        (options.stats, options.seed),
        (Some(StatsFormat::Json), Some(9))
    );
    assert_eq!(run("a.jet --stats").1.stats, Some(StatsFormat::Human));
    assert_eq!(
        cli("check a.jet --message-format=json")
            .unwrap()
            .message_format,
        MessageFormat::Json
    );
    for bad in [
        "--gc=stress:0",
        "--gc=x",
        "--jit=maybe",
        "--max-memory=64X",
        "--max-time=1",
        "--fuel=-1",
        "--max-memory=1K",
        "--max-depth=0",
        "--nope",
        "--allow-read=",
        "--allow-env=A,,B",
    ] {
        assert!(cli(&format!("a.jet {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn what_is_to_come_is_refused_by_name() {
    assert_eq!(
        cli("a.jet --allow-tasks").unwrap_err(),
        "`--allow-tasks` is not supported yet"
    );
    assert_eq!(
        cli("lsp .").unwrap_err(),
        "`jetvm lsp` is not supported yet"
    );
    assert_eq!(
        cli("a.jet --trust=hash").unwrap_err(),
        "`--trust` is not supported yet"
    );
}

#[test]
fn tests_take_no_grants() {
    assert!(
        cli("test a --allow-read")
            .unwrap_err()
            .contains("tests hold no grants")
    );
    assert!(
        cli("test --deny-console a")
            .unwrap_err()
            .contains("tests hold no grants")
    );
    assert!(cli("test").is_err());
    assert!(cli("test a --std").is_err());
    for line in ["test a --filter=x --format=junit --fuel=9", "test --std"] {
        assert!(
            matches!(cli(line).unwrap().command, Command::Test(_)),
            "{line}"
        );
    }
}

#[test]
fn build_takes_its_output_behind_a_space() {
    for line in ["build a -o x.jbc", "build -o x.jbc a", "-o x.jbc build a"] {
        match cli(line).unwrap().command {
            Command::Build(args) => {
                assert_eq!(
                    (args.input, args.output),
                    ("a".into(), Some("x.jbc".into())),
                    "{line}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_parser_is_consistent() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn flags_only_tighten_what_a_policy_sets() {
    let dir = std::env::temp_dir().join(format!("jet-limits-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("p.toml");
    let limits = |policy: &str, flags: &str| {
        std::fs::write(&file, format!("[limits]\n{policy}")).unwrap();
        run(&format!("a.jet --policy={} {flags}", file.display()))
            .1
            .limits
    };
    let untrusted = Limits::untrusted();
    let wide = "--fuel=9000000000 --max-memory=1G --max-time=1h --max-depth=100000 --max-output=1G";
    assert_eq!(limits("untrusted = true", wide), untrusted);
    assert_eq!(
        limits("", &format!("--untrusted {wide}")).fuel,
        Some(9_000_000_000)
    );
    let tight = limits(
        "untrusted = true",
        "--fuel=5 --max-memory=2M --max-time=1s --max-depth=7 --max-output=8",
    );
    assert_eq!(
        (tight.fuel, tight.memory, tight.depth, tight.output),
        (Some(5), 2 << 20, 7, 8)
    );
    // What a file sets itself is its own exception; a flag that calls the program untrusted tightens that, too.
    let own = "untrusted = true\nfuel = 9000000000\nmemory = '1G'";
    assert_eq!(limits(own, "").fuel, Some(9_000_000_000));
    assert_eq!(limits(own, wide).memory, 1 << 30);
    assert_eq!(
        limits("fuel = 9000000000\nmemory = '1G'", "--untrusted"),
        untrusted
    );
    assert_eq!(limits("fuel = 3", "--untrusted").fuel, Some(3));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn clocks_and_random_numbers_are_granted_in_part() {
    let (_, some) =
        run("a.jet --allow-clock --clock-resolution=1m --allow-entropy --entropy-seed=7");
    assert_eq!(some.grants.clock_resolution, Some(Duration::from_secs(60)));
    assert_eq!(some.grants.entropy_seed, Some(7));
    assert!(some.grants.clock && some.grants.entropy);
    let (_, none) = run("a.jet --clock-resolution=1m --entropy-seed=7");
    assert!(!none.grants.clock && !none.grants.entropy);
}
