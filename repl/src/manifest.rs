//! `jet.toml`: what a package says of itself. A key that this version does not know, or that it
//! knows and does not honour, is refused: nothing in a manifest is ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::near::nearest;

/// A package's manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Name.
    pub name: String,
    /// Version text.
    pub version: String,
    /// Dependencies by name.
    pub dependencies: BTreeMap<String, Dependency>,
    /// For interface packages among the dependencies, the folders of the packages that implement them, relative to the
    /// manifest's.
    pub implementations: BTreeMap<String, PathBuf>,
    /// The interface package whose deferred functions this package implements. It is its only dependency.
    pub implements: Option<String>,
}

/// A dependency on a package in another folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Folder, relative to the manifest's.
    pub path: PathBuf,
    /// Standard capabilities that the dependency may name; none unless listed.
    pub allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    trusted: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, RawDependency>,
    #[serde(default)]
    implementations: BTreeMap<String, RawImplementation>,
    #[serde(default)]
    implements: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImplementation {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDependency {
    #[serde(default)]
    path: Option<PathBuf>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
}

/// Whether a text may name a package or module: a lower-case identifier.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && text.len() <= 64
}

/// Whether a text is a version: three numbers, and perhaps what semantic versions have behind them.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let number = |n: &str| !n.is_empty() && n.len() <= 9 && n.bytes().all(|b| b.is_ascii_digit());
    let rest = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    core.split('.').count() == 3
        && core.split('.').all(number)
        && text.len() <= 64
        && text.chars().all(rest)
}

impl Manifest {
    /// Reads a manifest's text.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let raw: Raw =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let not_yet = |what: &str| Err(format!("{what} is not supported yet"));
        if raw.trusted {
            return not_yet("`trusted = true`");
        }
        if raw.name == "std" {
            return Err("`std` is the name of the standard library: choose another one".to_owned());
        }
        if let Some(version) = raw.version.as_deref().filter(|v| !is_version(v)) {
            return Err(format!(
                "`{}` is no version: write three numbers, as in `1.2.0`",
                version.escape_debug()
            ));
        }
        if !is_name(&raw.name) {
            return Err(format!(
                "`{}` cannot name a package: use lower-case letters, digits and `_`",
                raw.name
            ));
        }
        let standard = jet_frontend::std::capabilities();
        let mut dependencies = BTreeMap::new();
        for (name, dependency) in raw.dependencies {
            let Some(path) = dependency.path else {
                return not_yet(&format!("dependency `{name}`: a dependency without `path`"));
            };
            if dependency.version.is_some() {
                return not_yet(&format!("dependency `{name}`: `version` beside `path`"));
            }
            if let Some(unknown) = dependency
                .allow
                .iter()
                .find(|c| !standard.contains(&c.as_str()))
            {
                let help = match nearest(unknown, standard.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("they are {}", standard.join(", ")),
                };
                return Err(format!(
                    "dependency `{name}` is allowed `{}`, which is no standard capability: {help}",
                    unknown.escape_debug()
                ));
            }
            if name == "std" || name == raw.name {
                return Err(format!("a package cannot depend on `{name}` by path"));
            }
            dependencies.insert(
                name,
                Dependency {
                    path,
                    allow: dependency.allow,
                },
            );
        }
        if let Some(interface) = &raw.implements {
            // A plugin sees the interface package alone.
            if !dependencies.contains_key(interface) || dependencies.len() != 1 {
                return Err(format!(
                    "a package that implements `{interface}` depends on `{interface}` and on nothing else: `[dependencies]`, `{interface} = {{ path = … }}`"
                ));
            }
            if !raw.implementations.is_empty() {
                return Err(
                    "a package that implements an interface names no implementations".to_owned(),
                );
            }
        }
        for interface in raw.implementations.keys() {
            if !dependencies.contains_key(interface) {
                return Err(format!(
                    "`[implementations]` names `{interface}`, which is no dependency"
                ));
            }
        }
        let implementations = raw.implementations.into_iter();
        Ok(Manifest {
            name: raw.name,
            version: raw.version.unwrap_or_else(|| "0.0.0".to_owned()),
            dependencies,
            implementations: implementations.map(|(name, i)| (name, i.path)).collect(),
            implements: raw.implements,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_whole_or_not_at_all() {
        let text = "name = \"app\"\nversion = \"1.2.0\"\n[dependencies]\njson = { path = \"../json\", allow = [\"Console\"] }\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(
            (manifest.name.as_str(), manifest.version.as_str()),
            ("app", "1.2.0")
        );
        let json = Dependency {
            path: "../json".into(),
            allow: vec!["Console".into()],
        };
        assert_eq!(
            manifest.dependencies,
            BTreeMap::from([("json".to_owned(), json)])
        );
        for bad in [
            "",
            "name = 3",
            "name = \"std\"",
            "name = \"A b\"",
            "name = \"a\"\nversion = \"x.y\"",
            "name = \"a\"\nversion = \"1.2\"",
            "name = \"a\"\nversion = \"1.2.0\u{202e}\"",
            "name = \"a\"\n[dependencies]\njson = { path = \"x\", allow = [\"Clocks\"] }",
            "name = \"a\"\ntrusted = true",
            "name = \"a\"\nother = 1",
            "name = \"a\"\n[dependencies]\njson = \"1.0\"",
            "name = \"a\"\n[dependencies]\njson = { version = \"1.0\" }",
            "name = \"a\"\n[dependencies]\na = { path = \"x\" }",
            "name = \"a\"\nimplements = \"b\"",
            "name = \"a\"\nimplements = \"b\"\n[dependencies]\nb = { path = \"b\" }\nc = { path = \"c\" }",
            "name = \"a\"\n[implementations]\nb = { path = \"b\" }",
            "name = \"a\"\n[dependencies]\nb = { path = \"b\" }\n[implementations]\nb = { path = \"p\", allow = [] }",
            "name = \"a\"\nimplements = \"b\"\n[dependencies]\nb = { path = \"b\" }\n[implementations]\nb = { path = \"p\" }",
        ] {
            assert!(Manifest::parse(bad).is_err(), "{bad}");
        }
    }
}
