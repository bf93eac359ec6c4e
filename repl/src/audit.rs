//! What a program may touch, read off its linked form: what `main` asks the host for and through
//! which calls it is used, and every place where authority changes shape.
//!
//! It reads only what the verifier checked; call paths and source lines come from debug tables and
//! are shown as such, cleaned.

use std::fmt::Write;

use jet_bytecode::linked::{
    CapId, LImpl, LInterface, LNominal, LNominalKind, LType, PackageId, Program,
};
use serde_json::{Value, json};

use crate::audit_chain::{Chains, Origin, Site};
use crate::audit_paths;
use crate::render::clean_line;

/// A capability that `main` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Package that declares it.
    pub package: String,
    /// Name.
    pub name: String,
    /// Calls from `main` to a use.
    pub path: Vec<String>,
}

impl Request {
    /// The name as people write it: the package is left out for the standard library.
    #[must_use]
    pub fn shown(&self) -> String {
        qualified(&self.package, &self.name)
    }

    /// The flag of `jetvm run` that grants it, if there is one.
    #[must_use]
    pub fn flag(&self) -> Option<&'static str> {
        if self.package != "std" {
            return None;
        }
        Some(match self.name.as_str() {
            "FileRead" => "--allow-read",
            "FileWrite" => "--allow-write",
            "Env" => "--allow-env",
            "Clock" => "--allow-clock",
            "Timer" => "--allow-timer",
            "Entropy" => "--allow-entropy",
            "Database" => "--allow-db",
            "Net" => "--allow-net",
            "Listen" => "--allow-listen",
            "Process" => "--allow-run",
            _ => return None,
        })
    }
}

fn qualified(package: &str, name: &str) -> String {
    if package == "std" {
        plain(name)
    } else {
        plain(&format!("{package}.{name}"))
    }
}

/// A name in which no letter looks like another: all but ASCII is spelled out.
fn plain(name: &str) -> String {
    let mut out = String::new();
    for c in clean_line(name).chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let _ = write!(out, "{}", c.escape_unicode());
        }
    }
    out
}

/// What the program's entry point asks for, in the order of its hidden parameters.
#[must_use]
pub fn requests(program: &Program) -> Vec<Request> {
    let Some(entry) = &program.entry else {
        return Vec::new();
    };
    let named = entry
        .requests
        .iter()
        .enumerate()
        .filter_map(|(i, id)| Some((i, program.cap(*id)?)));
    named
        .map(|(i, cap)| Request {
            package: program.package_name(cap.package).to_owned(),
            name: cap.name.clone(),
            path: entry.paths.get(i).cloned().unwrap_or_default(),
        })
        .collect()
}

/// A type that implements a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The capability that comes out.
    pub gives: String,
    /// The capabilities and attenuators that it is built from; none for a fake.
    pub takes: Vec<String>,
    /// The implementing type.
    pub by: String,
    /// Its package.
    pub package: String,
    /// `file:line` of its code, if the debug tables say.
    pub place: Option<String>,
    /// Where it is made: functions with the place in them.
    pub made: Vec<String>,
    /// What stands behind it, step by step, down to what the host grants.
    pub chains: Vec<Vec<Link>>,
}

/// A step of a chain of provenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A type that implements what the step before was made from, with the place of its code.
    By(String, Option<String>),
    /// What the host grants: the end of the chain.
    Granted(String),
}

impl Link {
    fn text(&self) -> String {
        match self {
            Link::By(name, Some(place)) => format!("{name} ({})", clean_line(place)),
            Link::By(name, None) => name.clone(),
            Link::Granted(name) => format!("{name}, granted by the host"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Link::By(name, place) => json!({ "by": name, "place": place }),
            Link::Granted(name) => json!({ "granted": name }),
        }
    }
}

/// Most places and chains that are shown of one attenuator.
const MOST_SHOWN: usize = 8;

impl Shape {
    /// `Orders ← Database, by UserOrders (orders.jet:7)`.
    #[must_use]
    pub fn text(&self) -> String {
        let place = self
            .place
            .as_ref()
            .map(|place| format!(" ({})", clean_line(place)))
            .unwrap_or_default();
        if self.takes.is_empty() {
            format!("{} ← nothing, by the fake {}{place}", self.gives, self.by)
        } else {
            format!(
                "{} ← {}, by {}{place}",
                self.gives,
                self.takes.join(" + "),
                self.by
            )
        }
    }

    /// Where it is made, and what stands behind it.
    fn provenance(&self, out: &mut String) {
        for made in &self.made {
            let _ = writeln!(out, "    made by {}", clean_line(made));
        }
        for chain in self.chains.iter().filter(|c| !c.is_empty()) {
            let links: Vec<String> = chain.iter().map(Link::text).collect();
            let _ = writeln!(out, "    {} ← {}", self.by, links.join(" ← "));
        }
    }

    fn json(&self) -> Value {
        let chain = |c: &Vec<Link>| c.iter().map(Link::json).collect::<Vec<_>>();
        let chains: Vec<Value> = self.chains.iter().map(|c| json!(chain(c))).collect();
        json!({
            "gives": self.gives, "takes": self.takes, "by": self.by, "package": self.package, "place": self.place,
            "made": self.made, "chains": chains,
        })
    }
}

/// Every implementation of a capability by a type of the program, in the order of the bundle.
#[must_use]
pub fn shapes(program: &Program) -> Vec<Shape> {
    let chains = Chains::of(program);
    let mut out: Vec<Shape> = program
        .impls
        .iter()
        .filter_map(|record| shape(program, &chains, record))
        .collect();
    out.dedup();
    out
}

/// The least set of `jetvm run`'s flags that a program needs, with the reasons; or why no flags will do.
///
/// Least is meant in kinds: how little of each kind is enough, the paths and names behind `=`, is the user's
/// to say.
pub fn grants(program: &Program, file: &str) -> Result<String, String> {
    let requests = requests(program);
    let mut flags = Vec::new();
    let mut out = String::new();
    for request in &requests {
        let id = program.entry.as_ref().and_then(|entry| {
            let named = |cap: &CapId| {
                program.cap(*cap).is_some_and(|cap| {
                    cap.name == request.name && program.package_name(cap.package) == request.package
                })
            };
            entry.requests.iter().copied().find(named)
        });
        let path = match (&program.entry, id) {
            (Some(entry), Some(id)) => audit_paths::path(program, entry.function, id),
            _ => Vec::new(),
        };
        let path: Vec<String> = path.iter().map(|step| clean_line(step)).collect();
        let why = if path.len() > 1 {
            path.join(" → ")
        } else {
            "main asks for it and never uses it: remove it from its `uses`".to_owned()
        };
        match request.flag() {
            Some(flag) => {
                flags.push(flag);
                let _ = writeln!(out, "{flag}\n  {why}");
                if ["--allow-read", "--allow-write", "--allow-env"].contains(&flag) {
                    let what = if flag == "--allow-env" {
                        "NAME"
                    } else {
                        "PATH"
                    };
                    let _ = writeln!(out, "  `{flag}={what},…` grants no more than these");
                }
            }
            None if request.package == "std" && request.name == "Console" => {
                let _ = writeln!(out, "Console, which needs no flag\n  {why}");
            }
            None => {
                return Err(format!(
                    "main asks for `{}`, which no flag grants: bind it with `with` inside of `main`",
                    request.shown()
                ));
            }
        }
    }
    if !requests
        .iter()
        .any(|r| r.package == "std" && r.name == "Console")
    {
        flags.insert(0, "--deny-console");
        out.push_str("--deny-console\n  nothing is printed: the console can be taken away\n");
    }
    let flags: String = flags.iter().map(|flag| format!("{flag} ")).collect();
    let _ = writeln!(out, "\njetvm run {flags}{}", clean_line(file));
    Ok(out)
}

/// Uses that nobody needs: what a reviewer should ask about.
#[must_use]
pub fn warnings(program: &Program) -> Vec<String> {
    let Some(entry) = &program.entry else {
        return Vec::new();
    };
    let unused = entry
        .requests
        .iter()
        .filter(|cap| audit_paths::path(program, entry.function, **cap).len() < 2);
    unused
        .map(|cap| {
            let name = cap_name(program, *cap);
            format!("main asks for {name} and never uses it")
        })
        .collect()
}

fn shape(program: &Program, chains: &Chains, record: &LImpl) -> Option<Shape> {
    let LInterface::Cap(cap) = record.interface else {
        return None;
    };
    let nominal = program.nominal(record.ty)?;
    Some(Shape {
        gives: cap_name(program, cap),
        takes: takes(program, nominal),
        by: nominal_name(program, nominal),
        package: program.package_name(nominal.package).to_owned(),
        place: place(program, record),
        made: made(program, chains.sites.get(&record.ty)),
        chains: if nominal.attenuator {
            links(program, chains, record)
        } else {
            Vec::new()
        },
    })
}

fn made(program: &Program, sites: Option<&Vec<Site>>) -> Vec<String> {
    let mut out: Vec<String> = sites
        .into_iter()
        .flatten()
        .map(|site| audit_paths::label(program, site.function, Some(site.pc)))
        .collect();
    out.sort();
    out.dedup();
    out.truncate(MOST_SHOWN);
    out
}

fn links(program: &Program, chains: &Chains, record: &LImpl) -> Vec<Vec<Link>> {
    let link = |origin: &Origin| match origin {
        Origin::Granted(cap) => Link::Granted(cap_name(program, *cap)),
        Origin::Made(id) => {
            let name = program.nominal(*id).map(|n| nominal_name(program, n));
            let code = program.impls.iter().find(|r| r.ty == *id);
            let place = code.and_then(|record| place(program, record));
            Link::By(name.unwrap_or_default(), place)
        }
    };
    let found = chains.to_root(record.ty, MOST_SHOWN);
    found.iter().map(|c| c.iter().map(link).collect()).collect()
}

fn takes(program: &Program, nominal: &LNominal) -> Vec<String> {
    let LNominalKind::Struct(fields) = &nominal.kind else {
        return Vec::new();
    };
    fields
        .iter()
        .filter_map(|field| match program.ty(field.ty) {
            LType::Cap(cap) => Some(cap_name(program, *cap)),
            LType::Nominal(id) => {
                let inner = program.nominal(*id).filter(|inner| inner.attenuator)?;
                Some(nominal_name(program, inner))
            }
            _ => None,
        })
        .collect()
}

/// The name of a capability as people write it.
#[must_use]
pub fn capability_name(program: &Program, cap: CapId) -> String {
    cap_name(program, cap)
}

fn cap_name(program: &Program, cap: CapId) -> String {
    program.cap(cap).map_or_else(
        || "?".to_owned(),
        |cap| local_name(program, cap.package, &cap.name),
    )
}

fn nominal_name(program: &Program, nominal: &LNominal) -> String {
    local_name(program, nominal.package, &nominal.name)
}

/// A name as the program's own package writes it, without its module. What could be taken for a standard capability keeps
/// its package.
fn local_name(program: &Program, package: PackageId, name: &str) -> String {
    let package = program.package_name(package);
    let (plain, arguments) = name.split_at(name.find('[').unwrap_or(name.len()));
    let plain = plain.rsplit('.').next().unwrap_or(plain);
    if package == own_package(program) && !STANDARD.contains(&plain) {
        self::plain(&format!("{plain}{arguments}"))
    } else {
        qualified(package, name)
    }
}

/// Standard capabilities, those to come included.
pub const STANDARD: &[&str] = &[
    "Console",
    "FileRead",
    "FileWrite",
    "Net",
    "Listen",
    "Env",
    "Process",
    "Clock",
    "Timer",
    "Entropy",
    "Database",
    "Tasks",
    "Plugins",
    "Ffi",
];

/// The first line of the implementation's first method.
fn place(program: &Program, record: &LImpl) -> Option<String> {
    let function = record
        .methods
        .first()
        .and_then(|id| program.function(*id))?;
    let line = function
        .line_at(0)
        .or_else(|| function.lines.first().copied())?;
    let file = program
        .packages
        .get(function.package.index())?
        .files
        .get(usize::from(line.file))?;
    let own = file
        .strip_prefix(own_package(program))
        .and_then(|rest| rest.strip_prefix('/'));
    Some(format!("{}:{}", own.unwrap_or(file), line.line))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The fakes of the standard library are in every program and hold no authority.
fn is_standard_fake(program: &Program, shape: &Shape) -> bool {
    shape.takes.is_empty() && shape.package == "std" && own_package(program) != "std"
}

/// Name of the program's own package.
fn own_package(program: &Program) -> &str {
    program
        .packages
        .last()
        .map_or("", |package| package.name.as_str())
}

/// The audit, for people.
#[must_use]
pub fn text(program: &Program) -> String {
    let mut out = String::new();
    let requests = requests(program);
    if program.entry.is_none() {
        out.push_str("no entry point: a library asks for nothing by itself\n");
    } else if requests.is_empty() {
        out.push_str("main asks for nothing: it computes\n");
    } else {
        out.push_str("main asks for\n");
        for request in &requests {
            let _ = writeln!(out, "  {}", request.shown());
            let path: Vec<String> = request.path.iter().map(|step| clean_line(step)).collect();
            if !path.is_empty() {
                let _ = writeln!(out, "    {}", path.join(" → "));
            }
        }
    }
    let shapes: Vec<Shape> = shapes(program)
        .into_iter()
        .filter(|shape| !is_standard_fake(program, shape))
        .collect();
    if !shapes.is_empty() {
        out.push_str("authority changes shape\n");
        for shape in &shapes {
            let _ = writeln!(out, "  {}", shape.text());
            shape.provenance(&mut out);
        }
    }
    for warning in warnings(program) {
        let _ = writeln!(out, "warning: {warning}");
    }
    // No opcode calls foreign code, so there is nothing to find.
    out.push_str("foreign functions: none\npackages\n");
    let shares = audit_paths::shares(program);
    for (id, package) in (0u32..).zip(&program.packages) {
        let name = clean_line(&format!("{} {}", package.name, package.version));
        let _ = writeln!(out, "  {name}  {}", hex(&package.hash));
        let used: Vec<String> = shares
            .iter()
            .filter(|share| share.package.0 == id && package.name != "std")
            .map(|share| cap_name(program, share.cap))
            .collect();
        if !used.is_empty() {
            let _ = writeln!(out, "    uses {}", used.join(" + "));
        }
    }
    out
}

/// The audit, as one JSON object.
#[must_use]
pub fn json(program: &Program) -> Value {
    let requests: Vec<Value> = requests(program)
        .iter()
        .map(|r| json!({ "package": r.package, "capability": r.name, "flag": r.flag(), "path": r.path }))
        .collect();
    let shapes = shapes(program);
    let (fakes, attenuators): (Vec<&Shape>, Vec<&Shape>) =
        shapes.iter().partition(|shape| shape.takes.is_empty());
    let objects = |shapes: &[&Shape]| shapes.iter().map(|shape| shape.json()).collect::<Vec<_>>();
    let shares = audit_paths::shares(program);
    let packages: Vec<Value> = (0u32..)
        .zip(&program.packages)
        .map(|(id, package)| {
            let own = |p: PackageId| p.0 == id;
            let uses: Vec<Value> = shares
                .iter()
                .filter(|share| own(share.package))
                .map(|share| json!({ "capability": cap_name(program, share.cap), "path": share.path }))
                .collect();
            let functions = program.functions.iter().filter(|f| own(f.package)).count();
            json!({ "name": package.name, "version": package.version, "hash": hex(&package.hash), "functions": functions, "uses": uses })
        })
        .collect();
    json!({
        "entry": program.entry.as_ref().map(|entry| program.function_name(entry.function)),
        "requests": requests, "attenuators": objects(&attenuators), "fakes": objects(&fakes), "packages": packages,
        "externs": [], "warnings": warnings(program),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jet_bytecode::linked::{FnId, LCap, LEntry, LField, LPackage, NominalId, TypeId};

    fn program() -> Program {
        let mut program = Program::default();
        let package = |name: &str| LPackage {
            name: name.into(),
            version: "1.0.0".into(),
            ..LPackage::default()
        };
        program.packages = vec![package("std"), package("app")];
        program.types = vec![
            LType::Int,
            LType::Cap(CapId(0)),
            LType::Cap(CapId(1)),
            LType::Nominal(NominalId(0)),
        ];
        let cap = |package, name: &str, ty| LCap {
            package: PackageId(package),
            name: name.into(),
            parent: None,
            methods: vec![],
            ty: TypeId(ty),
        };
        program.caps = vec![cap(0, "FileRead", 1), cap(1, "Orders", 2)];
        let field = |name: &str, ty| LField {
            name: name.into(),
            ty: TypeId(ty),
            mutable: false,
        };
        let nominal = |name: &str, fields, attenuator| LNominal {
            package: PackageId(1),
            name: name.into(),
            kind: LNominalKind::Struct(fields),
            ty: TypeId(3),
            attenuator,
        };
        program.nominals = vec![
            nominal("UserOrders", vec![field("user", 0), field("db", 1)], true),
            nominal("Outer\u{1b}[31m", vec![field("inner", 3)], true),
            nominal("Fake", vec![field("user", 0)], false),
        ];
        program.impls = (0..3)
            .map(|ty| LImpl {
                package: PackageId(1),
                ty: NominalId(ty),
                interface: LInterface::Cap(CapId(1)),
                methods: vec![],
            })
            .collect();
        program.entry = Some(LEntry {
            function: FnId(0),
            requests: vec![CapId(0)],
            paths: vec![vec![
                "app.main".into(),
                "app.load".into(),
                "FileRead.read_text".into(),
            ]],
        });
        program
    }

    #[test]
    fn requests_and_shapes_are_listed() {
        let expected = "main asks for\n  FileRead\n    app.main → app.load → FileRead.read_text\n\
            authority changes shape\n  Orders ← FileRead, by UserOrders\n  \
            Orders ← UserOrders, by Outer\\u{1b}[31m\n  Orders ← nothing, by the fake Fake\n";
        let text = super::text(&program());
        assert!(text.starts_with(expected), "{text}");
        let json = super::json(&program());
        assert_eq!(json["requests"][0]["flag"], "--allow-read");
        assert_eq!(json["attenuators"][0]["takes"][0], "FileRead");
        assert_eq!(json["fakes"][0]["by"], "Fake");
        assert_eq!(json["packages"][1]["name"], "app");
        let mut posing = program();
        posing.caps[1].name = "Console".into();
        assert_eq!(
            shapes(&posing)[0].text(),
            "app.Console ← FileRead, by UserOrders"
        );
    }
}
