//! `jetvm run`: grants are checked against what the program asks for, then it runs, then its end
//! becomes an exit code.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use jet_frontend::diag::codes;
use jet_vm::{Binding, Collection, CollectionLog, Pauses};

use super::args::{MessageFormat, RunArgs, RunOptions, StatsFormat};
use super::program;
use super::{FAILED, INTERRUPTED, LIMIT, OK, REFUSED, USAGE, report_bug, say};
use crate::audit::{self, Request};
use crate::audit_log::{self, Arguments};
use crate::engine::{Config, End, Report, compiles};
use crate::keys;
use crate::render::{Style, clean_line};
use crate::sources::Texts;
use crate::trap_text::{Lines, refused};

/// Runs a program and gives the exit code.
pub(super) fn run(args: &RunArgs, style: Style) -> u8 {
    let fail = |code: u8, message: &str, help: Option<&str>| {
        say(&style.plain("", message, help, &[]));
        code
    };
    let options = match args.options() {
        Ok(options) => options,
        Err(message) => return fail(USAGE, &message, None),
    };
    let mut program_args = Vec::new();
    for arg in &args.program_args {
        match arg.to_str() {
            Some(text) => program_args.push(text.to_owned()),
            None => return fail(USAGE, "an argument of the program is not UTF-8 text", None),
        }
    }
    let started = Instant::now();
    let loaded = match program::load(&args.input, style) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if args.require_signature
        && let Err(code) = signed(args, &loaded, style)
    {
        return code;
    }
    let observations = args.observations();
    let compiles = compiles(options.jit, observations.observe(), options.monitor);
    let (mut module, texts) = match loaded.ready(&args.input, style, compiles) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    if options.monitor && !module.observe() {
        report_bug("the monitor came too late");
        return super::BUG;
    }
    if module.program().entry.is_none() {
        let help = "a program starts at `fn main()` of its main module";
        say(&style.plain(codes::NO_MAIN, "the program has no `main`", Some(help), &[]));
        return FAILED;
    }
    if args.explain_grants {
        return match audit::grants(module.program(), &args.input.to_string_lossy()) {
            Ok(text) => super::show(&text),
            Err(why) => fail(REFUSED, &why, None),
        };
    }
    let missing: Vec<Request> = audit::requests(module.program())
        .into_iter()
        .filter(|request| !granted(&options, request))
        .collect();
    if !missing.is_empty() {
        say(&refused(style, &missing));
        return REFUSED;
    }
    // The log is there before the files of grants are looked at, so that it can be told from them.
    let audit = match &args.audit_log {
        None => None,
        Some(path) => {
            let (mut others, mut by_capability) = (Arguments::default(), BTreeMap::new());
            for (name, keep) in &options.arguments {
                match name {
                    None => others = *keep,
                    Some(name) => drop(by_capability.insert(name.clone(), *keep)),
                }
            }
            match audit_log::sink(path, others, by_capability) {
                Ok(sink) => Some(sink),
                Err(error) => {
                    let message =
                        format!("cannot write the audit log `{}`: {error}", path.display());
                    return fail(USAGE, &message, None);
                }
            }
        }
    };
    let capabilities = std::env::current_dir()
        .map_err(|error| format!("cannot tell the working directory: {error}"))
        .and_then(|cwd| crate::host::capabilities(&options.grants, &cwd));
    let capabilities = match capabilities {
        Ok(capabilities) => capabilities,
        Err(message) => return fail(USAGE, &message, None),
    };
    let seed = options.seed.unwrap_or_else(random_seed);
    let config = Config {
        limits: options.limits.clone(),
        gc: options.gc,
        seed,
        debug: None,
        observe: observations.observe(),
        gc_log: gc_log(&options, style),
        jit: options.compiler(seed),
    };
    let prepared = started.elapsed();
    let started = Instant::now();
    let bindings = capabilities.into_iter().map(|host| {
        let quota = options.quotas.get(host.interface().1).copied();
        Binding {
            quota: quota.unwrap_or_default(),
            ..Binding::from(host)
        }
    });
    let report = match module.run_bound(bindings.collect(), &program_args, &config, audit) {
        Ok(report) => report,
        Err(why) => return fail(REFUSED, &format!("the program cannot start: {why}"), None),
    };
    let ran = started.elapsed();
    let code = conclude(&report.end, texts.as_ref(), &options, style);
    if let Err(why) = observations.show(&report, style) {
        return fail(USAGE, &why, None);
    }
    if let Some(format) = options.stats {
        let stats = stats(
            &report,
            &options,
            config.seed,
            [prepared.as_secs_f64(), ran.as_secs_f64()],
        );
        say(&match format {
            StatsFormat::Json => format!("{stats}\n"),
            StatsFormat::Human => table(&stats),
        });
    }
    code
}

/// Checks `--require-signature`; or says what is missing and gives the exit code.
fn signed(args: &RunArgs, loaded: &program::Loaded, style: Style) -> Result<(), u8> {
    let file = args
        .trusted_keys
        .clone()
        .or_else(|| std::env::var_os("JETVM_TRUSTED_KEYS").map(Into::into));
    let Some(file) = file else {
        let help =
            "name the file of trusted keys with `--trusted-keys=FILE` or `JETVM_TRUSTED_KEYS`";
        say(&style.plain(
            "",
            "`--require-signature` without trusted keys",
            Some(help),
            &[],
        ));
        return Err(USAGE);
    };
    let trusted = keys::read_public(&file).map_err(|why| {
        say(&style.plain("", &why, None, &[]));
        USAGE
    })?;
    let why = match &loaded.texts {
        Some(_) => Err("it is source text, which has no signature".to_owned()),
        None => keys::signed_by(&loaded.bytes, &trusted),
    };
    why.map(|_| ()).map_err(|why| {
        let help = format!(
            "`--require-signature` asks for one by a key of `{}`",
            file.display()
        );
        let message = format!("`{}` is not run: {why}", args.input.display());
        say(&style.plain("refused", &message, Some(&help), &[]));
        REFUSED
    })
}

fn granted(options: &RunOptions, request: &Request) -> bool {
    request.package == "std" && options.grants.covers(&request.name)
}

fn conclude(end: &End, texts: Option<&Texts>, options: &RunOptions, style: Style) -> u8 {
    match end {
        End::Done => OK,
        End::Failed(error) => {
            say(&style.plain(
                "failed",
                &format!("main failed: {}", clean_line(error)),
                None,
                &[],
            ));
            FAILED
        }
        End::Ended(ending) => {
            say(&ending.text(style, &Lines::new(texts), &options.limits));
            if ending.limit.is_some() {
                LIMIT
            } else {
                FAILED
            }
        }
        End::Interrupted => INTERRUPTED,
        End::Bug(what) => {
            report_bug(what);
            super::BUG
        }
    }
}

/// A seed that a program's input cannot anticipate.
pub(super) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

fn stats(report: &Report, options: &RunOptions, seed: u64, [prepared, ran]: [f64; 2]) -> Value {
    let (end, limit) = match &report.end {
        End::Done => ("ok", None),
        End::Failed(_) => ("error", None),
        End::Ended(ending) => match ending.limit {
            Some(limit) => ("limit", Some(limit.name())),
            None => ("trap", None),
        },
        End::Interrupted => ("interrupted", None),
        End::Bug(_) => ("bug", None),
    };
    let heap = &report.heap;
    json!({
        "end": end,
        "limit": limit,
        "fuel": report.fuel,
        "heap": {
            "bytes": heap.committed, "peak": heap.peak, "external": heap.external, "host": heap.host,
            "allocated": heap.bytes_allocated,
            "live": heap.live_after_last, "copied": heap.bytes_copied, "promoted": heap.bytes_promoted,
            "aged": heap.bytes_aged,
            "fragmented": heap.fragmented, "collections": heap.collections(), "seconds": seconds(heap.pause_total_ns()),
        },
        "nursery": pauses(&heap.minor),
        "full": pauses(&heap.full),
        "host": { "calls": report.usage.calls, "output": report.usage.output },
        "seconds": { "prepare": prepared, "run": ran },
        "process": { "peak_resident": peak_resident() },
        "jit": {
            "mode": options.jit.name(),
            "engine": options.jit.engine(),
            "recordings": report.jit.recordings,
            "regions": report.jit.regions,
            "instructions": report.jit.instructions,
            "bytes": report.jit.bytes,
            "share": report.jit.fuel as f64 / report.fuel.max(1) as f64,
            "foreign": report.jit.foreign,
            "exits": report.jit.exits,
            "exits_at": report.jit.exits_at.iter().map(|(name, n)| json!({ "instruction": name, "count": n })).collect::<Vec<_>>(),
            "compile": report.jit.compile_us as f64 / 1e6,
            "back_end": report.jit.back_end_us as f64 / 1e6,
            "aborts": report.jit.aborts.iter().map(|(why, n)| json!({ "why": why, "count": n })).collect::<Vec<_>>(),
        },
        "gc": options.gc.to_string(),
        "seed": seed,
        "monitor": report.observed.as_ref().map(|o| json!({ "calls": o.calls, "host_calls": o.host_calls })),
    })
}

/// Most bytes of memory that this process ever had, all of it counted; where the system tells.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Pauses of one kind of collection.
fn pauses(of: &Pauses) -> Value {
    let milliseconds = |ns: u64| ns as f64 / 1e6;
    json!({
        "collections": of.count, "seconds": seconds(of.total_ns), "p50_ms": milliseconds(of.quantile(0.5)),
        "p99_ms": milliseconds(of.quantile(0.99)), "max_ms": milliseconds(of.max_ns),
    })
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Who is told of collections, if somebody is.
pub(crate) fn gc_log(options: &RunOptions, style: Style) -> Option<CollectionLog> {
    options.gc_log.then_some(match style.format {
        MessageFormat::Json => log_as_json as CollectionLog,
        _ => log_line,
    })
}

/// `--gc-log`, for people.
fn log_line(c: &Collection) {
    let kind = if c.full { "full" } else { "nursery" };
    say(&format!(
        "gc {}: {kind}, {:.3} ms, {} KiB -> {} KiB, copied {} KiB, {} KiB of them young still, committed {} KiB, external {} KiB\n",
        c.number,
        c.pause_ns as f64 / 1e6,
        c.before >> 10,
        c.after >> 10,
        c.copied >> 10,
        c.aged >> 10,
        c.committed >> 10,
        c.external >> 10,
    ));
}

/// `--gc-log --message-format=json`.
fn log_as_json(c: &Collection) {
    let event = json!({
        "gc": c.number, "kind": if c.full { "full" } else { "nursery" }, "pause_ms": c.pause_ns as f64 / 1e6,
        "before": c.before, "after": c.after, "copied": c.copied, "aged": c.aged, "committed": c.committed, "external": c.external,
    });
    say(&format!("{event}\n"));
}

fn table(stats: &Value) -> String {
    let mut out = String::new();
    if let Value::Object(fields) = stats {
        for (name, value) in fields {
            let text = match value {
                Value::Object(parts) => {
                    let parts: Vec<String> = parts
                        .iter()
                        .map(|(name, value)| format!("{name} {}", plain(value)))
                        .collect();
                    parts.join(", ")
                }
                other => plain(other),
            };
            out.push_str(&format!("{name:>8}: {text}\n"));
        }
    }
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.4}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}
