//! The standard library's sources, part of the compiler.

use crate::driver::{PackageInput, SourceInput};

/// Name of the standard library's package.
pub const STD: &str = "std";

/// Modules of std whose `pub` items every module sees without an import.
pub const PRELUDE_MODULES: &[&str] = &[
    "core",
    "list",
    "map",
    "string",
    "caps",
    "fakes",
    "attenuators",
    "database",
    "net",
    "listen",
    "process",
];

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        /// All modules of std: name and text.
        pub const MODULES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../std/", $name, ".jet")))),*];
    };
}
modules!(
    "core",
    "list",
    "map",
    "string",
    "caps",
    "fakes",
    "attenuators",
    "database",
    "net",
    "listen",
    "process",
    "math",
    "iter",
    "json",
    "random",
    "text",
);

/// The names of its capabilities.
#[must_use]
pub fn capabilities() -> Vec<&'static str> {
    let lines = MODULES.iter().flat_map(|(_, text)| text.lines());
    lines
        .filter_map(|line| line.strip_prefix("pub capability "))
        .filter_map(|rest| rest.split([':', ' ']).next())
        .collect()
}

/// The standard library as a package to compile before all others.
pub fn package() -> PackageInput {
    PackageInput {
        name: STD.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        deps: Vec::new(),
        files: MODULES
            .iter()
            .map(|(name, text)| SourceInput {
                path: format!("std/{name}.jet"),
                module: (*name).to_string(),
                text: (*text).to_string(),
            })
            .collect(),
    }
}
