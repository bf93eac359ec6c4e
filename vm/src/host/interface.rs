//! Whether a host capability answers the interface that a program declares, method by method and
//! type by type. Asked once for each binding, before anything runs.

use jet_bytecode::linked::{
    CapId, LField, LMethod, LNominal, LNominalKind, LType, LVariant, Program, TypeId,
};

use super::{HostCapability, HostEnum, HostMethod, HostType};

/// For each method of the program's interface, the host's method that answers it; or why the host
/// capability does not fit.
pub fn bind(
    program: &Program,
    cap: CapId,
    host: &dyn HostCapability,
) -> Result<Vec<usize>, String> {
    let Some(declared) = program.cap(cap) else {
        return Err("the program has no such capability".into());
    };
    let package = program.package_name(declared.package);
    if host.interface() != (package, declared.name.as_str()) {
        let (host_package, host_name) = host.interface();
        return Err(format!(
            "the host implements `{host_package}.{host_name}`, not `{package}.{}`",
            declared.name
        ));
    }
    let view = View { program, package };
    declared
        .methods
        .iter()
        .map(|method| {
            let (index, offered) = host
                .methods()
                .iter()
                .enumerate()
                .find(|(_, offered)| offered.name == method.name)
                .ok_or_else(|| {
                    format!("the host has no method `{}.{}`", declared.name, method.name)
                })?;
            if view.same_signature(method, offered) {
                Ok(index)
            } else {
                Err(format!(
                    "the program declares `{}.{}` with another signature than the host",
                    declared.name, method.name
                ))
            }
        })
        .collect()
}

/// A program seen from the package whose interface is compared.
struct View<'a> {
    program: &'a Program,
    package: &'a str,
}

impl View<'_> {
    fn same_signature(&self, declared: &LMethod, offered: &HostMethod) -> bool {
        let sig = &declared.sig;
        sig.uses.is_empty()
            && sig.params.len() == offered.params.len()
            && sig
                .params
                .iter()
                .zip(offered.params)
                .all(|(ty, host)| self.same(*ty, host))
            && self.same(sig.ret, &offered.ret)
            && sig.errors.len() == offered.errors.len()
            && offered.errors.iter().all(|host| {
                let mut errors = sig.errors.iter().filter_map(|id| self.program.nominal(*id));
                errors.any(|nominal| match &nominal.kind {
                    LNominalKind::Error(variants) => {
                        self.named(nominal, self.package, host.name)
                            && self.same_variants(variants, host)
                    }
                    _ => false,
                })
            })
    }

    fn same(&self, ty: TypeId, host: &HostType) -> bool {
        match (self.program.ty(ty), host) {
            (LType::Unit, HostType::Unit)
            | (LType::Bool, HostType::Bool)
            | (LType::Byte, HostType::Byte)
            | (LType::Char, HostType::Char)
            | (LType::Int, HostType::Int)
            | (LType::Float, HostType::Float)
            | (LType::Str, HostType::Str) => true,
            (LType::List(element), HostType::List(host)) => self.same(*element, host),
            (LType::Tuple(parts), HostType::Tuple(hosts)) => {
                parts.len() == hosts.len()
                    && parts
                        .iter()
                        .zip(*hosts)
                        .all(|(ty, host)| self.same(*ty, host))
            }
            (LType::Nominal(id), host) => self
                .program
                .nominal(*id)
                .is_some_and(|nominal| self.same_nominal(nominal, host)),
            _ => false,
        }
    }

    fn same_nominal(&self, nominal: &LNominal, host: &HostType) -> bool {
        match (&nominal.kind, host) {
            (LNominalKind::Handle, HostType::Handle(name)) => {
                self.named(nominal, self.package, name)
            }
            (LNominalKind::Struct(fields), HostType::Struct(host)) => {
                self.named(nominal, self.package, host.name)
                    && self.same_fields(fields, host.fields)
            }
            (LNominalKind::Enum(variants), HostType::Enum(host)) => {
                self.named(nominal, self.package, host.name) && self.same_variants(variants, host)
            }
            (LNominalKind::Enum(variants), HostType::Option(inner)) => {
                self.named(nominal, "std", "Option")
                    && matches!(variants.as_slice(), [some, none]
                        if none.name == "None" && none.fields.is_empty()
                        && some.name == "Some" && some.fields.len() == 1
                        && some.fields.iter().all(|field| self.same(field.ty, inner)))
            }
            _ => false,
        }
    }

    /// Compares the plain name: arguments of generics and the module in front are left out, since
    /// the content is compared anyway.
    fn named(&self, nominal: &LNominal, package: &str, name: &str) -> bool {
        let plain = nominal.name.split('[').next().unwrap_or_default();
        let plain = plain.rsplit('.').next().unwrap_or_default();
        plain == name && self.program.package_name(nominal.package) == package
    }

    fn same_fields(&self, fields: &[LField], hosts: &[(&str, HostType)]) -> bool {
        fields.len() == hosts.len()
            && fields
                .iter()
                .zip(hosts)
                .all(|(field, (name, ty))| field.name == *name && self.same(field.ty, ty))
    }

    fn same_variants(&self, variants: &[LVariant], host: &HostEnum) -> bool {
        variants.len() == host.variants.len()
            && variants.iter().zip(host.variants).all(|(variant, host)| {
                variant.name == host.name && self.same_fields(&variant.fields, host.fields)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clock::Timer;
    use crate::host::env::Env;
    use crate::host::grants::EnvGrant;
    use jet_bytecode::linked::{LCap, LPackage, LSig, NominalId, PackageId};

    /// A program whose `std` declares `Timer.nanos() -> result` and `Env.get(string) -> string?`.
    fn program(result: TypeId, some: &str) -> Program {
        let mut program = Program::default();
        program.packages.push(LPackage {
            name: "std".into(),
            ..LPackage::default()
        });
        program.types = vec![
            LType::Int,
            LType::Str,
            LType::Nominal(NominalId(0)),
            LType::Cap(CapId(0)),
        ];
        let field = LField {
            name: "value".into(),
            ty: TypeId(1),
            mutable: false,
        };
        program.nominals.push(LNominal {
            package: PackageId(0),
            name: "Option[string]".into(),
            kind: LNominalKind::Enum(vec![
                LVariant {
                    name: some.into(),
                    fields: vec![field],
                },
                LVariant {
                    name: "None".into(),
                    fields: vec![],
                },
            ]),
            ty: TypeId(2),
            attenuator: false,
        });
        let method = |name: &str, params, ret| LMethod {
            name: name.into(),
            sig: LSig {
                params,
                uses: vec![],
                ret,
                errors: vec![],
            },
        };
        let cap = |name: &str, method| LCap {
            package: PackageId(0),
            name: name.into(),
            parent: None,
            methods: vec![method],
            ty: TypeId(3),
        };
        program
            .caps
            .push(cap("Timer", method("nanos", vec![], result)));
        program
            .caps
            .push(cap("Env", method("get", vec![TypeId(1)], TypeId(2))));
        program
    }

    #[test]
    fn signatures_are_compared() {
        let (timer, env) = (Timer::process(), Env::new(&EnvGrant::default(), []));
        let good = program(TypeId(0), "Some");
        assert_eq!(bind(&good, CapId(0), &timer), Ok(vec![0]));
        assert_eq!(bind(&good, CapId(1), &env), Ok(vec![0]));
        assert!(bind(&good, CapId(0), &env).is_err());
        assert!(bind(&good, CapId(7), &env).is_err());
        assert!(bind(&program(TypeId(1), "Some"), CapId(0), &timer).is_err());
        assert!(bind(&program(TypeId(0), "Other"), CapId(1), &env).is_err());
    }
}
