//! Names that have to differ.

use rustc_hash::FxHashMap;

/// Names given so far: each with the last number that was put behind it.
#[derive(Debug, Default)]
pub(crate) struct Names(FxHashMap<String, u32>);

impl Names {
    /// The name, or `name#N` with the next number if it was given before: in constant time, also for the thousandth.
    pub fn unique(&mut self, name: String) -> String {
        let Some(last) = self.0.get(&name) else {
            self.0.insert(name.clone(), 1);
            return name;
        };
        let mut last = *last;
        let unique = loop {
            last = last.saturating_add(1);
            let unique = format!("{name}#{last}");
            if !self.0.contains_key(&unique) {
                break unique;
            }
        };
        self.0.insert(name, last);
        self.0.insert(unique.clone(), 1);
        unique
    }

    /// How many were given.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
