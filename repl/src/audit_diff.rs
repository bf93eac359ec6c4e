//! Two versions of a program, compared by what they may do: authority gained and lost, with the calls that lead to
//! the uses.
//!
//! Compared is what the verified bytecode has: what `main` asks for, which package touches which capability, and what
//! attenuators make of what. The program's own package may change its name between the versions.

use std::fmt::Write;

use jet_bytecode::linked::{PackageId, Program};
use serde_json::{Value, json};

use crate::audit::{self, capability_name};
use crate::audit_paths;
use crate::render::clean_line;

/// One fact about a program's authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `request`, `use` or `attenuator`.
    pub kind: &'static str,
    /// What it is, in words; also what makes two facts the same.
    pub words: String,
    /// The package whose code it is; empty for the program's own.
    pub package: String,
    /// The capability.
    pub capability: String,
    /// Calls to a use, if there are any.
    pub path: Vec<String>,
}

impl Fact {
    fn json(&self) -> Value {
        json!({ "kind": self.kind, "words": self.words, "package": self.package, "capability": self.capability, "path": self.path })
    }
}

/// What one version may do and the other may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// By the newer one only.
    pub gained: Vec<Fact>,
    /// By the older one only.
    pub lost: Vec<Fact>,
}

/// Compares two versions.
#[must_use]
pub fn diff(old: &Program, new: &Program) -> Diff {
    let (old, new) = (facts(old), facts(new));
    let only = |here: &[Fact], there: &[Fact]| {
        let unknown = |fact: &&Fact| !there.iter().any(|other| other.words == fact.words);
        here.iter().filter(unknown).cloned().collect::<Vec<_>>()
    };
    Diff {
        gained: only(&new, &old),
        lost: only(&old, &new),
    }
}

fn facts(program: &Program) -> Vec<Fact> {
    let own = PackageId(u32::try_from(program.packages.len().saturating_sub(1)).unwrap_or(0));
    let mut out: Vec<Fact> = audit::requests(program)
        .into_iter()
        .map(|request| Fact {
            kind: "request",
            words: format!("`main` asks for {}", request.shown()),
            package: String::new(),
            capability: request.shown(),
            path: request.path,
        })
        .collect();
    for share in audit_paths::shares(program) {
        let package = program.package_name(share.package);
        if package == "std" && share.package != own {
            continue;
        }
        let capability = capability_name(program, share.cap);
        let (whose, package) = if share.package == own {
            ("the program's own code".to_owned(), String::new())
        } else {
            (
                format!("package `{}`", clean_line(package)),
                package.to_owned(),
            )
        };
        out.push(Fact {
            kind: "use",
            words: format!("{whose} uses {capability}"),
            package,
            capability,
            path: share.path,
        });
    }
    for shape in audit::shapes(program) {
        if shape.takes.is_empty() {
            continue;
        }
        out.push(Fact {
            kind: "attenuator",
            words: format!(
                "{} is made from {}, by {}",
                shape.gives,
                shape.takes.join(" + "),
                shape.by
            ),
            package: shape.package.clone(),
            capability: shape.gives.clone(),
            path: shape.place.into_iter().collect(),
        });
    }
    out
}

/// The comparison, for people.
#[must_use]
pub fn text(diff: &Diff) -> String {
    let mut out = String::new();
    for (title, facts) in [("gained", &diff.gained), ("lost", &diff.lost)] {
        if facts.is_empty() {
            let _ = writeln!(out, "{title}: nothing");
            continue;
        }
        let _ = writeln!(out, "{title}");
        for fact in facts {
            let _ = writeln!(out, "  {}", fact.words);
            let path: Vec<String> = fact.path.iter().map(|step| clean_line(step)).collect();
            if !path.is_empty() {
                let _ = writeln!(out, "    {}", path.join(" → "));
            }
        }
    }
    out
}

/// The comparison, as one JSON object.
#[must_use]
pub fn json(diff: &Diff) -> Value {
    let all = |facts: &[Fact]| facts.iter().map(Fact::json).collect::<Vec<_>>();
    json!({ "gained": all(&diff.gained), "lost": all(&diff.lost) })
}
