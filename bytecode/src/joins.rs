//! What is initialised where paths of a function meet.
//!
//! A function may be jumped to at each of its words, so all its joins stand in two lists rather than each in one of
//! its own: a join costs eight bytes and two for each register.
//!
//! What must stay true: `ends` ascend and the last is the number of registers in all.

use serde::{Deserialize, Serialize};

/// Registers that are initialised where several paths meet. What is not listed counts as
/// uninitialised from there on, so that one pass verifies the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join<'a> {
    /// Jump target.
    pub pc: u32,
    /// Registers; strictly ascending in what is verified.
    pub live: &'a [u16],
}

/// Joins as pairs of place and registers, to be made and changed.
pub type JoinList = Vec<(u32, Vec<u16>)>;

/// The joins of one function, in the order in which they were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joins {
    pcs: Vec<u32>,
    /// By join: where its registers end. All of a function's are fewer than 2^32: words times registers.
    ends: Vec<u32>,
    live: Vec<u16>,
}

impl Joins {
    /// Adds one behind the others.
    pub fn push(&mut self, pc: u32, live: impl IntoIterator<Item = u16>) {
        self.live.extend(live);
        self.pcs.push(pc);
        self.ends.push(self.live.len() as u32);
    }

    /// Number of joins.
    pub fn len(&self) -> usize {
        self.pcs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pcs.is_empty()
    }

    /// Number of registers that all of them list.
    pub fn registers(&self) -> usize {
        self.live.len()
    }

    /// By place in the list.
    pub fn get(&self, index: usize) -> Option<Join<'_>> {
        let pc = *self.pcs.get(index)?;
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        let end = *self.ends.get(index)?;
        let live = self.live.get(start as usize..end as usize)?;
        Some(Join { pc, live })
    }

    /// The place in the list of the join at `pc`, if they ascend.
    pub fn find(&self, pc: u32) -> Option<usize> {
        self.pcs.binary_search(&pc).ok()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Join<'_>> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// Lets a function change them as a list of pairs. For forging and editing: it copies each.
    pub fn edit(&mut self, change: impl FnOnce(&mut JoinList)) {
        let mut list: JoinList = self.iter().map(|j| (j.pc, j.live.to_vec())).collect();
        change(&mut list);
        *self = list.into_iter().collect();
    }

    /// Gives back what the lists have reserved and do not hold.
    pub fn shrink_to_fit(&mut self) {
        self.pcs.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.live.shrink_to_fit();
    }
}

impl FromIterator<(u32, Vec<u16>)> for Joins {
    fn from_iter<I: IntoIterator<Item = (u32, Vec<u16>)>>(list: I) -> Joins {
        let mut joins = Joins::default();
        list.into_iter().for_each(|(pc, live)| joins.push(pc, live));
        joins
    }
}
