//! The cage: one reserved range of addresses that holds every object of a heap, or of all heaps of an instance.
//!
//! Layout: a low guard, then the cage proper (a power of two of bytes, at most 32 GiB, so that a 32-bit
//! reference scaled by 8 spans it), then a high guard. Everything is reserved without access at the start
//! and handed out in runs of pages that are made accessible on demand.
//!
//! What must stay true: page 0 is never handed out (its offsets are the immediates); a run that
//! `commit` returns is accessible, zero and belongs to nobody else; only the owner of a run touches it, and its
//! entries in the table of pages. Parts of a page (of which heaps that hold hardly anything have one each) are
//! zeroed when they are given back, before anybody else gets them.
//! Where the address space allows, the reservation covers all that a 32-bit reference plus any record
//! field offset can reach, so even a corrupt reference stays inside it (`full_reach`).

use std::collections::BTreeMap;
use std::fmt;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chunk::{PageTable, SHARED};

/// `log2(PAGE)`.
pub const PAGE_SHIFT: u32 = 14;
/// Unit of commitment in bytes. Kernels with larger pages are refused when a cage is made.
pub const PAGE: usize = 1 << PAGE_SHIFT;
/// Bytes of a part of a page.
pub const PART: usize = 4 << 10;
/// References per part.
pub const PART_GRANULES: u32 = (PART / crate::layout::GRANULE) as u32;
/// Pages that are cut into parts at a time.
const PAGES_TO_CUT: u32 = 16;
/// References per page.
pub const PAGE_GRANULES: u32 = (PAGE / crate::layout::GRANULE) as u32;
/// Largest cage: 2^32 references of 8 bytes.
pub const MAX_CAGE: usize = 1 << 35;
/// Smallest cage.
pub const MIN_CAGE: usize = 1 << 20;
/// Bytes without access before the cage.
pub const LOW_GUARD: usize = 64 << 10;
/// Bytes without access after the cage.
pub const HIGH_GUARD: usize = (16 << 20) + (64 << 10);

const ALIGN: usize = 64 << 10;

/// Why there is no cage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CageError {
    /// The size is not a power of two between [`MIN_CAGE`] and [`MAX_CAGE`].
    BadSize(usize),
    /// The system's pages are larger than ours.
    PageSize(usize),
    /// The system would not reserve the addresses (error number).
    Reserve(i32),
}

impl fmt::Display for CageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CageError::BadSize(n) => {
                write!(f, "heap range of {n} bytes is not a power of two in range")
            }
            CageError::PageSize(n) => write!(f, "system pages of {n} bytes are larger than {PAGE}"),
            CageError::Reserve(e) => {
                write!(
                    f,
                    "cannot reserve addresses for the heap: {}",
                    std::io::Error::from_raw_os_error(*e)
                )
            }
        }
    }
}

impl std::error::Error for CageError {}

/// A reserved range of addresses with guard space around it. Heaps on several threads may share one.
pub struct Cage {
    map: *mut u8,
    map_len: usize,
    base: *mut u8,
    size: usize,
    full_reach: bool,
    /// What each page is used for: a mapping of its own, with a byte for each page.
    states: *mut u8,
    /// Which parts of large arrays were stored into: a word for each page.
    cards: *mut u64,
    /// What is to be handed out.
    room: Mutex<Room>,
}

/// What of a cage nobody owns.
struct Room {
    /// Runs of pages: first page to number of pages; neighbours are merged.
    free: BTreeMap<u32, u32>,
    /// References of free parts of pages, accessible and zero.
    parts: Vec<u32>,
    /// Bytes handed out, in pages and as parts (pages that are cut count whole).
    committed: u64,
}

// SAFETY: a cage owns its mappings; what is in them is touched by the owner of each run alone, and the account is
// behind a lock.
unsafe impl Send for Cage {}
// SAFETY: as above.
unsafe impl Sync for Cage {}

impl Cage {
    /// The cage size for a heap of at most `limit` bytes: room for fragmentation of the address space.
    pub fn size_for_limit(limit: u64) -> usize {
        let want = limit.saturating_mul(4).min(MAX_CAGE as u64) as usize;
        want.next_power_of_two().clamp(MIN_CAGE, MAX_CAGE)
    }

    /// Reserves a cage of `size` bytes.
    pub fn new(size: usize) -> Result<Cage, CageError> {
        if !size.is_power_of_two() || !(MIN_CAGE..=MAX_CAGE).contains(&size) {
            return Err(CageError::BadSize(size));
        }
        // SAFETY: sysconf has no preconditions.
        let system_page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let system_page = usize::try_from(system_page).unwrap_or(4096);
        if system_page > PAGE {
            return Err(CageError::PageSize(system_page));
        }
        let around = LOW_GUARD + HIGH_GUARD + ALIGN;
        let (map, map_len, full_reach) = match reserve(MAX_CAGE + around) {
            Ok(map) => (map, MAX_CAGE + around, true),
            Err(_) => match reserve(size + around) {
                Ok(map) => (map, size + around, size == MAX_CAGE),
                Err(e) => return Err(CageError::Reserve(e)),
            },
        };
        let pad = map.addr().next_multiple_of(ALIGN) - map.addr();
        let base = map.wrapping_add(pad + LOW_GUARD);
        let pages = (size >> PAGE_SHIFT) as u32;
        let states = match reserve_for(pages as usize, libc::PROT_READ | libc::PROT_WRITE) {
            Ok(states) => states,
            Err(e) => {
                // SAFETY: the mapping was made above and nothing uses it.
                unsafe { libc::munmap(map.cast(), map_len) };
                return Err(CageError::Reserve(e));
            }
        };
        let Ok(cards) = map_table(pages as usize * 8) else {
            // SAFETY: the mappings were made above and nothing uses them.
            unsafe {
                libc::munmap(map.cast(), map_len);
                libc::munmap(states.cast(), pages as usize);
            }
            return Err(CageError::Reserve(libc::ENOMEM));
        };
        Ok(Cage {
            map,
            map_len,
            base,
            size,
            full_reach,
            states,
            cards: cards.cast(),
            room: Mutex::new(Room {
                free: BTreeMap::from([(1, pages - 1)]),
                parts: Vec::new(),
                committed: 0,
            }),
        })
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Whoever panicked left the account as it was between two calls.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of pages. It is good for as long as the cage.
    pub(crate) fn table(&self) -> PageTable {
        // SAFETY: the mappings have an entry for each page, and whoever holds the table holds the cage.
        unsafe { PageTable::new(self.states, self.cards, self.pages()) }
    }

    /// Address of reference 0.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of pages, page 0 among them.
    pub fn pages(&self) -> u32 {
        (self.size >> PAGE_SHIFT) as u32
    }

    /// Whether everything that any 32-bit reference plus a record field offset can reach is reserved.
    pub fn full_reach(&self) -> bool {
        self.full_reach
    }

    /// Bytes that are handed out, to all heaps.
    pub fn committed(&self) -> u64 {
        self.room().committed
    }

    /// Hands out `pages` contiguous pages, accessible and zero: the first page's number. `None` when the
    /// address range or the system has no more.
    pub fn commit(&self, pages: u32) -> Option<u32> {
        self.commit_in(&mut self.room(), pages)
    }

    fn commit_in(&self, room: &mut Room, pages: u32) -> Option<u32> {
        if pages == 0 {
            return None;
        }
        let (&first, &len) = room.free.iter().find(|&(_, &len)| len >= pages)?;
        if !self.protect(first, pages, libc::PROT_READ | libc::PROT_WRITE) {
            return None;
        }
        room.free.remove(&first);
        if len > pages {
            room.free.insert(first + pages, len - pages);
        }
        room.committed += (pages as u64) << PAGE_SHIFT;
        Some(first)
    }

    /// Hands out a part of a page, accessible and zero: its reference.
    pub(crate) fn commit_part(&self) -> Option<u32> {
        let mut room = self.room();
        if let Some(part) = room.parts.pop() {
            return Some(part);
        }
        let first = self.commit_in(&mut room, PAGES_TO_CUT)?;
        self.table().set(first, PAGES_TO_CUT, SHARED);
        let parts = PAGES_TO_CUT * (PAGE_GRANULES / PART_GRANULES);
        room.parts.extend(
            (0..parts)
                .rev()
                .map(|i| first * PAGE_GRANULES + i * PART_GRANULES),
        );
        room.parts.pop()
    }

    /// Takes back a part that `commit_part` gave, of which the first `used` bytes may not be zero.
    ///
    /// # Safety
    /// The part came from `commit_part`, is not taken back twice, and nothing points into it.
    pub(crate) unsafe fn release_part(&self, part: u32, used: usize) {
        let at = self
            .base
            .wrapping_add((part as usize) * crate::layout::GRANULE);
        // SAFETY: the part is ours and nobody uses it (caller).
        unsafe { at.write_bytes(0, used.min(PART)) };
        self.room().parts.push(part);
    }

    /// Asks the system to back a run with memory now, all at once, which costs less than a fault per
    /// page. For runs that will surely be filled; where the system does not know the request, faults do.
    pub fn populate(&self, first: u32, pages: u32) {
        let end = (first as usize + pages as usize) << PAGE_SHIFT;
        assert!(first > 0 && end <= self.size, "page run outside the cage");
        let at = self.base.wrapping_add((first as usize) << PAGE_SHIFT);
        // SAFETY: the range lies inside our mapping (just checked), and the request changes no contents.
        unsafe {
            libc::madvise(
                at.cast(),
                (pages as usize) << PAGE_SHIFT,
                libc::MADV_POPULATE_WRITE,
            )
        };
    }

    /// Takes back a run that `commit` gave: its contents are dropped and access ends.
    ///
    /// # Safety
    /// The run came from `commit` (whole or in parts), is not taken back twice, and nothing points into it.
    pub unsafe fn release(&self, first: u32, pages: u32) {
        let at = self.base.wrapping_add((first as usize) << PAGE_SHIFT);
        let len = (pages as usize) << PAGE_SHIFT;
        // SAFETY: the run lies inside our mapping and nobody else owns it (caller).
        if unsafe { libc::madvise(at.cast(), len, libc::MADV_DONTNEED) } != 0
            && self.protect(first, pages, libc::PROT_READ | libc::PROT_WRITE)
        {
            // The next owner relies on zeroes.
            // SAFETY: the run is inside our mapping and was just made writable.
            unsafe { at.write_bytes(0, len) };
        }
        // A failure leaves the run accessible, which is harmless: it is zero and nobody owns it.
        self.protect(first, pages, libc::PROT_NONE);
        let mut room = self.room();
        room.committed -= (pages as u64) << PAGE_SHIFT;
        put_free(&mut room.free, first, pages);
    }

    /// Ends access to a run that stays owned (and stays counted until it is released).
    ///
    /// # Safety
    /// The caller owns the run and touches it no more, except to release it.
    pub unsafe fn deny_access(&self, first: u32, pages: u32) {
        self.protect(first, pages, libc::PROT_NONE);
    }

    fn protect(&self, first: u32, pages: u32, access: i32) -> bool {
        let end = (first as usize + pages as usize) << PAGE_SHIFT;
        assert!(first > 0 && end <= self.size, "page run outside the cage");
        let at = self.base.wrapping_add((first as usize) << PAGE_SHIFT);
        // SAFETY: the range was just checked to lie inside the cage, which is a mapping of ours; changing
        // the access of memory that Rust holds no reference into is sound (owners use raw pointers only).
        unsafe { libc::mprotect(at.cast(), (pages as usize) << PAGE_SHIFT, access) == 0 }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let pages = self.pages() as usize;
        // SAFETY: the mappings are ours and no borrow of heap memory outlives the heaps that hold the cage.
        unsafe {
            libc::munmap(self.map.cast(), self.map_len);
            libc::munmap(self.states.cast(), pages);
            libc::munmap(self.cards.cast(), pages * 8);
        }
    }
}

/// Adds a run to the free ones.
fn put_free(free: &mut BTreeMap<u32, u32>, mut first: u32, mut pages: u32) {
    if let Some((&before, &len)) = free.range(..first).next_back()
        && before + len == first
    {
        free.remove(&before);
        first = before;
        pages += len;
    }
    if let Some(len) = free.remove(&(first + pages)) {
        pages += len;
    }
    free.insert(first, pages);
}

/// A table of `len` bytes, all zero, which costs memory where it is written to.
pub(crate) fn map_table(len: usize) -> Result<*mut u8, CageError> {
    reserve_for(len, libc::PROT_READ | libc::PROT_WRITE).map_err(CageError::Reserve)
}

/// Unmaps a table.
///
/// # Safety
/// It came from `map_table` with this length, and nobody uses it any more.
pub(crate) unsafe fn unmap_table(at: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(at.cast(), len) };
}

/// Makes a part of a table zero, and gives the memory of its whole pages back.
///
/// # Safety
/// The part lies in a table of `map_table`, and is not borrowed.
pub(crate) unsafe fn forget_table(at: *mut u8, len: usize) {
    // SAFETY: a question without effects.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
    let first = at.align_offset(page.max(1)).min(len);
    let whole = (len - first).checked_div(page).unwrap_or(0) * page;
    // SAFETY: the caller's promise; the pages between the two edges lie inside the part.
    unsafe {
        let pages = at.add(first);
        at.write_bytes(0, first);
        if whole == 0 || libc::madvise(pages.cast(), whole, libc::MADV_DONTNEED) != 0 {
            pages.write_bytes(0, whole);
        }
        pages.add(whole).write_bytes(0, len - first - whole);
    }
}

fn reserve(len: usize) -> Result<*mut u8, i32> {
    reserve_for(len, libc::PROT_NONE)
}

fn reserve_for(len: usize, access: i32) -> Result<*mut u8, i32> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address that the system chooses touches nothing of ours.
    let at = unsafe { libc::mmap(null_mut(), len, access, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    Ok(at.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(Cage::size_for_limit(0), MIN_CAGE);
        assert_eq!(Cage::size_for_limit(64 << 20), 256 << 20);
        assert_eq!(Cage::size_for_limit(u64::MAX), MAX_CAGE);
        assert!(matches!(Cage::new(3 << 20), Err(CageError::BadSize(_))));
        assert!(matches!(
            Cage::new(MAX_CAGE * 2),
            Err(CageError::BadSize(_))
        ));
    }

    #[test]
    fn runs_are_zero_disjoint_and_merged() {
        let cage = Cage::new(MIN_CAGE).expect("cage");
        let total = cage.pages() - 1;
        let a = cage.commit(3).expect("run");
        let b = cage.commit(2).expect("run");
        assert!(a >= 1 && b >= a + 3);
        let at = cage.base().wrapping_add((a as usize) << PAGE_SHIFT);
        // SAFETY: the run is ours.
        unsafe {
            assert_eq!(at.read(), 0);
            at.write_bytes(0xff, 3 * PAGE);
            cage.release(a, 3);
        }
        let again = cage.commit(3).expect("run");
        assert_eq!(again, a);
        // SAFETY: the run is ours.
        unsafe { assert!((0..3 * PAGE).all(|i| at.add(i).read() == 0)) };
        assert_eq!(cage.committed(), 5 * PAGE as u64);
        // SAFETY: both runs are ours and unused.
        unsafe {
            cage.release(b, 2);
            cage.release(again, 3);
        }
        assert_eq!(cage.committed(), 0);
        let all = cage.commit(total).expect("one run again");
        assert_eq!(cage.commit(1), None);
        // SAFETY: as above.
        unsafe { cage.release(all, total) };
        assert_eq!(cage.commit(0), None);
    }
}
