//! What a bundle is made of: sections and their sizes, what it asks for, its largest functions.
//!
//! Sizes and names need no verified program, so a refused bundle can be looked at as well; authority is
//! said only of what the verifier passed.

use std::fmt::Write;

use jet_bytecode::format::signature::signers;
use jet_bytecode::format::{self, FormatError, Section};
use jet_bytecode::module::Bundle;
use serde_json::{Value, json};

use crate::audit::{self, hex};
use crate::engine::Verified;
use crate::keys;
use crate::render::clean_line;

/// Functions that are listed.
const LARGEST: usize = 10;

/// What there is to say about a bundle.
#[derive(Debug)]
pub struct Inspection {
    size: usize,
    root: [u8; 32],
    signers: Vec<String>,
    sections: Vec<Section>,
    bundle: Bundle,
    /// The verified module, or why there is none.
    module: Result<Verified, String>,
}

/// A function's place and size.
struct Large<'a> {
    package: &'a str,
    name: &'a str,
    words: usize,
    registers: usize,
}

/// Looks at the bytes of a bundle.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, FormatError> {
    Ok(Inspection {
        size: bytes.len(),
        root: format::root_hash(bytes).ok_or(FormatError::Truncated)?,
        signers: signers(bytes)?.into_iter().map(keys::text).collect(),
        sections: format::sections(bytes)?,
        bundle: format::decode(bytes)?,
        module: Verified::from_bytes(bytes).map_err(|why| why.text()),
    })
}

impl Inspection {
    /// Whether the bundle would be run.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.module.is_ok()
    }

    fn largest(&self) -> Vec<Large<'_>> {
        let mut all: Vec<Large<'_>> = self
            .bundle
            .packages
            .iter()
            .flat_map(|p| {
                p.functions.iter().map(|f| Large {
                    package: &p.name,
                    name: &f.name,
                    words: f.code.len(),
                    registers: f.regs.len(),
                })
            })
            .collect();
        all.sort_by_key(|f| std::cmp::Reverse(f.words));
        all.truncate(LARGEST);
        all
    }

    fn package_bytes(&self, package: usize) -> usize {
        let of = |s: &&Section| usize::from(s.package) == package;
        self.sections.iter().filter(of).map(|s| s.len).sum()
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "bundle, format {}, {} bytes\n  hash {}",
            format::VERSION,
            self.size,
            hex(&self.root)
        );
        for key in &self.signers {
            let _ = writeln!(out, "  signed by {key}");
        }
        match &self.module {
            Ok(_) => out.push_str("  verified\n"),
            Err(why) => {
                let _ = writeln!(out, "  not verified: {}", clean_line(why));
            }
        }
        for (i, p) in self.bundle.packages.iter().enumerate() {
            let _ = writeln!(
                out,
                "\npackage {} {}, {} bytes",
                clean_line(&p.name),
                clean_line(&p.version),
                self.package_bytes(i)
            );
            for s in self.sections.iter().filter(|s| usize::from(s.package) == i) {
                let short = hex(s.hash.get(..8).unwrap_or_default());
                let _ = writeln!(out, "  {:<10} {:>9}  {short}", s.kind, s.len);
            }
            let _ = writeln!(
                out,
                "  {} types, {} capabilities, {} traits, {} records, {} imports, {} functions, {} constants",
                p.types.len() + p.nominals.len(),
                p.caps.len(),
                p.traits.len(),
                p.impls.len(),
                p.imports.len(),
                p.functions.len(),
                p.consts.len()
            );
            for d in &p.deps {
                let short = hex(d.hash.get(..8).unwrap_or_default());
                let _ = writeln!(out, "  depends on {} {short}", clean_line(&d.name));
            }
            for input in &p.inputs {
                let short = hex(input.hash.get(..8).unwrap_or_default());
                let _ = writeln!(out, "  built from {} {short}", clean_line(&input.name));
            }
        }
        if let Ok(module) = &self.module {
            out.push_str("\nasks for\n");
            let requests = audit::requests(module.program());
            if requests.is_empty() {
                out.push_str("  nothing\n");
            }
            for r in requests {
                let _ = writeln!(out, "  {}", r.shown());
            }
        }
        out.push_str("\nlargest functions\n");
        for f in self.largest() {
            let _ = writeln!(
                out,
                "  {:>6} words, {:>4} registers  {}.{}",
                f.words,
                f.registers,
                clean_line(f.package),
                clean_line(f.name)
            );
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let packages: Vec<Value> = self
            .bundle
            .packages
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let sections: Vec<Value> = self
                    .sections
                    .iter()
                    .filter(|s| usize::from(s.package) == i)
                    .map(|s| json!({ "kind": s.kind, "offset": s.offset, "bytes": s.len, "hash": hex(&s.hash) }))
                    .collect();
                let deps: Vec<Value> = p
                    .deps
                    .iter()
                    .map(|d| json!({ "name": d.name, "hash": hex(&d.hash) }))
                    .collect();
                let inputs = p.inputs.iter();
                let inputs: Vec<Value> = inputs
                    .map(|i| json!({ "name": i.name, "hash": hex(&i.hash) }))
                    .collect();
                json!({
                    "name": p.name,
                    "version": p.version,
                    "inputs": inputs,
                    "bytes": self.package_bytes(i),
                    "sections": sections,
                    "dependencies": deps,
                    "types": p.types.len() + p.nominals.len(),
                    "capabilities": p.caps.len(),
                    "traits": p.traits.len(),
                    "records": p.impls.len(),
                    "imports": p.imports.len(),
                    "functions": p.functions.len(),
                    "constants": p.consts.len(),
                })
            })
            .collect();
        let largest: Vec<Value> = self
            .largest()
            .iter()
            .map(|f| json!({ "package": f.package, "name": f.name, "words": f.words, "registers": f.registers }))
            .collect();
        let requests: Option<Vec<String>> = self.module.as_ref().ok().map(|module| {
            let all = audit::requests(module.program());
            all.iter().map(audit::Request::shown).collect()
        });
        json!({
            "format": format::VERSION,
            "bytes": self.size,
            "hash": hex(&self.root),
            "signers": self.signers,
            "verified": self.verified(),
            "refused": self.module.as_ref().err(),
            "packages": packages,
            "requests": requests,
            "largest": largest,
        })
    }
}
