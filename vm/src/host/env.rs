//! `Env`: environment variables, as they were when the instance was made.
//!
//! A variable that is not granted looks as if it were not set.

use std::collections::HashMap;
use std::sync::Arc;

use super::grants::EnvGrant;
use super::{HostAnswer, HostCapability, HostCx, HostMethod, HostType, HostValue};

static METHODS: [HostMethod; 1] = [HostMethod {
    name: "get",
    params: &[HostType::Str],
    ret: HostType::Option(&HostType::Str),
    errors: &[],
}];

/// The capability over a copy of some variables.
#[derive(Debug)]
pub struct Env {
    variables: HashMap<String, Arc<str>>,
    text: String,
}

impl Env {
    /// The granted variables of this process. A value that is not text is left out.
    #[must_use]
    pub fn process(grant: &EnvGrant) -> Self {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Env::new(grant, all)
    }

    /// The granted ones of any variables.
    pub fn new(grant: &EnvGrant, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let granted = |name: &String| {
            grant
                .allow
                .as_ref()
                .is_none_or(|names| names.contains(name))
                && !grant.deny.contains(name)
        };
        let variables = variables
            .into_iter()
            .filter(|(name, _)| granted(name))
            .map(|(n, v)| (n, Arc::from(v)));
        let mut text = grant
            .allow
            .as_ref()
            .map_or_else(|| "everything".to_owned(), |names| names.join(", "));
        if !grant.deny.is_empty() {
            text.push_str(", but not ");
            text.push_str(&grant.deny.join(", "));
        }
        Env {
            variables: variables.collect(),
            text,
        }
    }
}

impl HostCapability for Env {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Env")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let answer = match (method, args) {
            (0, [HostValue::Str(name)]) => match self.variables.get(&**name) {
                Some(value) => cx
                    .check_memory(value.len() as u64)
                    .map(|()| HostValue::some(HostValue::Str(Arc::clone(value)))),
                None => Ok(HostValue::none()),
            },
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        answer.into()
    }

    fn scope_text(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{HostUsage, Limits};

    fn get(grant: &EnvGrant, name: &str) -> HostValue {
        let variables =
            [("A", "1"), ("B", "2"), ("SECRET", "3")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut env = Env::new(grant, variables);
        let (limits, mut usage) = (Limits::default(), HostUsage::default());
        let mut cx = HostCx::new(&limits, &mut usage, 1000, None);
        match env.call(0, &[HostValue::str(name)], &mut cx) {
            HostAnswer::Now(Ok(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_granted_names_are_set() {
        let some = EnvGrant {
            allow: Some(vec!["A".into()]),
            deny: vec![],
        };
        assert_eq!(get(&some, "A"), HostValue::some(HostValue::str("1")));
        assert_eq!(get(&some, "B"), HostValue::none());
        assert_eq!(get(&some, "A=1"), HostValue::none());
        assert_eq!(get(&some, "*"), HostValue::none());
        let all = EnvGrant {
            allow: None,
            deny: vec!["SECRET".into()],
        };
        assert_eq!(get(&all, "B"), HostValue::some(HostValue::str("2")));
        assert_eq!(get(&all, "SECRET"), HostValue::none());
    }
}
