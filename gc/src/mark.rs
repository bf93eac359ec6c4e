//! Collections of a heap whose old space is mark-region: survivors of the young space are copied into holes and fresh
//! blocks; a full collection marks old objects where they are, but for those in the emptiest blocks, which it
//! moves together as far as there is room (opportunistic evacuation).
//!
//! What must stay true: before anything moves, the pool holds the blocks that young survivors can need whatever the
//! holes are like, and old objects take fresh blocks only within what was prepared for them besides, so nothing in
//! the middle of a collection can fail. An object that is marked and not scanned is on the stack, or the stack
//! says that it overflowed, and then all marked objects are scanned again.

use crate::account::{DIRTY_STEP, MIN_STACK, stack_entries};
use crate::blocks::{Blocks, LINE, lines_of, marked_in, words_of};
use crate::chunk::{
    AGED, Chunk, FROM, FROM_AGED, FROM_OLD, LARGE_KEPT, LARGE_REST, LARGE_WHITE, MARKING, OLD,
};
use crate::collect::{Kind, POISON, Work, next_chunk};
use crate::heap::{Heap, OutOfMemoryCause, Roots};
use crate::layout::{Format, GC_BITS, GC_OLD, GC_REMEMBERED, GRANULE_SHIFT, Header};
use crate::scan::{Scan, Shared, copy_object, size_at};
use crate::side::Side;

/// What a full collection moves out of old blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Defragment {
    /// What is sparse, when much is.
    Sparse,
    /// As much as there is room for.
    All,
}

impl Heap {
    /// The tables to go over to blocks with at this full collection, if the old space is large enough and the system
    /// gives them.
    pub(crate) fn wants_blocks(&mut self) -> Option<Box<Blocks>> {
        let used = self.young_used() + self.aged_used + self.old_used;
        if used < self.blocks_from {
            return None;
        }
        // Close to the limit a block may be more than what copying needs for very few objects.
        let need = self.reserve_blocks(used);
        let pooled = self.pool.len() as u64 * self.chunk_bytes;
        let beside = self.large_bytes + self.external.bytes() + self.host;
        let later = beside + self.remembered.most() + need + self.beside_blocks(need);
        let now = self.held() + need.saturating_sub(pooled) + self.beside_blocks(need);
        if now > self.limit || later > self.limit {
            return None;
        }
        match Side::new(self.cage.size()) {
            Ok(side) => Some(Box::new(Blocks::new(side))),
            Err(_) => {
                self.blocks_from = u64::MAX;
                None
            }
        }
    }

    /// Collects with a mark-region old space. `new`: tables, when the old space is not in blocks yet and this full
    /// collection moves it there whole. They are the heap's only once nothing can fail any more. `ages`: what was
    /// allocated since the last collection stays young.
    pub(crate) fn collect_blocks(
        &mut self,
        kind: Kind,
        new: Option<Box<Blocks>>,
        ages: bool,
        stress: bool,
        roots: &mut dyn Roots,
    ) -> Result<(), OutOfMemoryCause> {
        let full = kind == Kind::Full;
        let first = new.is_some();
        debug_assert!(full || !first);
        let (young, aged) = (self.young_used(), self.aged_used);
        let movable = if first { self.old_used } else { 0 };
        let spare = if full && !first {
            self.spare_for_old(young + aged, stress)
        } else {
            0
        };
        let ready = if ages {
            self.prepare_ageing(aged).is_some()
        } else {
            let need = self.reserve_blocks(young + aged + movable + spare);
            self.fill_pool((need / self.chunk_bytes) as usize)
        };
        if !ready {
            return Err(OutOfMemoryCause::System);
        }
        let Some(mut blocks) = new.or_else(|| self.blocks.take()) else {
            return Err(OutOfMemoryCause::System);
        };
        let mut from = self.take_young();
        if full {
            for &large in &self.large {
                self.pages.set(large.first, 1, LARGE_WHITE);
            }
        }
        if first {
            for chunk in &self.old {
                self.pages.set_chunk(chunk, FROM);
            }
            from.append(&mut self.old);
        } else if full {
            blocks.begin(&self.old);
            self.pages_of_old(MARKING);
            self.choose_candidates(&blocks, spare, stress);
        }
        let work = if ages {
            self.mark_and_move::<true>(full, &mut blocks, spare, roots)
        } else {
            self.mark_and_move::<false>(full, &mut blocks, spare, roots)
        };
        self.settle(full, stress, roots.walked());
        blocks.close();
        if full {
            self.sweep_blocks(&mut blocks, stress);
            self.old_used = work.live;
        } else {
            self.old_used += work.promoted;
        }
        self.blocks = Some(blocks);
        self.retire(from, stress);
        self.pages_of_old(OLD);
        self.old_bytes = self.old.iter().map(Chunk::bytes).sum();
        if self.mark_stack.capacity() as u64 > stack_entries(self.old_bytes) {
            self.mark_stack.shrink_to(MIN_STACK as usize);
        }
        let work = Work {
            young,
            aged,
            ..work
        };
        self.finish_collection(full, &work);
        Ok(())
    }

    /// Marks or moves all that is reached. `spare`: bytes of old objects that may go into fresh blocks.
    fn mark_and_move<const AGES: bool>(
        &mut self,
        full: bool,
        blocks: &mut Blocks,
        spare: u64,
        roots: &mut dyn Roots,
    ) -> Work {
        let (stack, stack_max) = self.take_stack();
        let mut m = Marking::<AGES> {
            shared: Shared::new(
                self.core.base,
                (&self.cage, self.pages),
                &mut self.pool,
                &mut self.external,
                &mut self.remembered,
                full,
            ),
            blocks,
            old: &mut self.old,
            stack,
            stack_max,
            overflowed: false,
            spare,
        };
        // SAFETY: the roots and handles hold live references (their contracts), objects refer to live
        // objects only, and headers describe their objects, so everything reached is an object whose
        // pages are committed. The blocks suffice: see `Heap::required` and `Heap::ages`.
        unsafe {
            if !full {
                m.shared.work.scanned = m.scan_written(&self.dirty);
            }
            m.scan_roots(roots, &mut self.handles);
            m.drain();
        }
        let mut work = m.shared.work;
        self.mark_stack = std::mem::take(&mut m.stack);
        let (aged, stayed) = m.shared.aged.finish();
        work.stayed = stayed;
        self.put_aged(aged);
        work
    }

    /// Forgets what was stored into large arrays. A young collection has left those cards that lead to objects that
    /// are young still, of arrays that live.
    pub(crate) fn settle_cards(&mut self, all: bool) {
        let pages = &mut self.pages;
        self.dirty.retain(|&(array, page)| {
            let stays = !all && pages.of(array) == LARGE_KEPT && pages.cards(page) != 0;
            if !stays {
                pages.set_cards(page, 0);
            }
            stays
        });
        self.dirty.shrink_to(DIRTY_STEP);
    }

    fn pages_of_old(&mut self, state: u8) {
        for block in &self.old {
            self.pages.set_chunk(block, state);
        }
    }

    /// An empty stack for marked objects with room for as many as it may have. Where the system does not give that
    /// much it is shorter, and overflows sooner.
    pub(crate) fn take_stack(&mut self) -> (Vec<u32>, usize) {
        let most = stack_entries(self.old_bytes) as usize;
        let mut stack = std::mem::take(&mut self.mark_stack);
        if stack.capacity() < most {
            // Not grown as it fills: that would hold two stacks at a time.
            stack = Vec::new();
            let mut n = most;
            while n > 0 && stack.try_reserve_exact(n).is_err() {
                n /= 2;
            }
        }
        let most = most.min(stack.capacity());
        (stack, most)
    }

    /// Bytes of old objects that may be moved into fresh blocks: what the limit leaves.
    fn spare_for_old(&self, young_used: u64, stress: bool) -> u64 {
        let room = self.limit.saturating_sub(self.required(0, 0));
        let most = if stress || self.defragment == Defragment::All {
            self.old_used
        } else {
            self.old_used / 4
        };
        // Room for young survivors and what is beside it is charged already.
        let before = self.old_bytes + self.reserve_blocks(self.young_bytes + self.aged_used);
        let fits = |spare: u64| {
            let more = self.reserve_blocks(young_used + spare) - self.reserve_blocks(young_used);
            let beside = self.beside_blocks(before + more) - self.beside_blocks(before);
            more + beside <= room
        };
        let mut spare = most;
        while spare >= self.chunk_bytes && !fits(spare) {
            spare /= 2;
        }
        if fits(spare) { spare } else { 0 }
    }

    /// Chooses the blocks whose objects are to be moved out: the emptiest, as many as other blocks' holes and the
    /// spare blocks can take.
    fn choose_candidates(&mut self, blocks: &Blocks, spare: u64, stress: bool) {
        let used: Vec<u64> = self
            .old
            .iter()
            .map(|b| blocks.used_lines(b) as u64 * LINE)
            .collect();
        let all: u64 = self.old.iter().map(Chunk::bytes).sum();
        let live: u64 = used.iter().sum();
        if stress {
            // In turn: everything, every other block, nothing.
            let turn = self.stats.full.count % 3;
            for (i, block) in self.old.iter().enumerate() {
                if turn == 0 || turn == 1 && i % 2 == 0 {
                    self.pages.set_chunk(block, FROM_OLD);
                }
            }
            return;
        }
        let free = all - live;
        let sparse = free > all / 8;
        if !sparse && self.defragment == Defragment::Sparse {
            return;
        }
        let mut order: Vec<usize> = (0..self.old.len()).collect();
        order.sort_unstable_by_key(|&i| used[i]);
        // Holes are used but for the rest of a line here and there.
        let (mut moved, mut holes) = (0, free * 3 / 4);
        for i in order {
            let block = self.old[i];
            let more = moved + used[i];
            let fewer = holes.saturating_sub((block.bytes() - used[i]) * 3 / 4);
            let worth = used[i] <= block.bytes() / 2 || self.defragment == Defragment::All;
            if !worth || more > fewer + spare {
                break;
            }
            (moved, holes) = (more, fewer);
            self.pages.set_chunk(&block, FROM_OLD);
        }
    }

    /// Frees lines and blocks in which nothing was found.
    fn sweep_blocks(&mut self, blocks: &mut Blocks, stress: bool) {
        let mut empty = Vec::new();
        let mut kept = Vec::with_capacity(self.old.len());
        for block in std::mem::take(&mut self.old) {
            if blocks.sweep(&block) == 0 {
                empty.push(block);
                continue;
            }
            if stress {
                for line in lines_of(&block).filter(|&l| blocks.side.line(l) == 0) {
                    let at = line << (LINE.trailing_zeros());
                    // SAFETY: a line of our own block in which no live object lies.
                    unsafe { self.core.base.add(at).write_bytes(POISON, LINE as usize) };
                }
            }
            kept.push(block);
        }
        self.old = kept;
        blocks.side.keep(&self.old);
        blocks.restart();
        for mut block in empty {
            // All of it may have been written to.
            block.top = block.bump_end();
            self.retire(vec![block], stress);
        }
    }
}

/// One collection under way. `AGES`: what was allocated since the last stays young.
struct Marking<'a, const AGES: bool> {
    shared: Shared<'a>,
    blocks: &'a mut Blocks,
    old: &'a mut Vec<Chunk>,
    /// Marked objects that were not scanned yet.
    stack: Vec<u32>,
    stack_max: usize,
    overflowed: bool,
    /// Bytes of old objects that may still go into fresh blocks.
    spare: u64,
}

impl<'h, const AGES: bool> Scan<'h> for Marking<'h, AGES> {
    const AGES: bool = AGES;

    #[inline(always)]
    fn shared(&self) -> &Shared<'h> {
        &self.shared
    }

    #[inline(always)]
    fn shared_mut(&mut self) -> &mut Shared<'h> {
        &mut self.shared
    }

    #[inline(always)]
    unsafe fn forward(&mut self, r: u32) -> u32 {
        let state = self.shared.pages.of(r);
        // SAFETY: passed on.
        unsafe {
            if state <= LARGE_REST {
                return r;
            }
            if state >= FROM {
                return self.copy(r, state);
            }
            match state {
                AGED if AGES => {
                    self.shared.met_young = true;
                    r
                }
                MARKING => {
                    if !self.blocks.side.mark(r) {
                        self.mark(r);
                    }
                    r
                }
                FROM_OLD => self.evacuate(r),
                LARGE_WHITE => {
                    self.keep_large(r);
                    r
                }
                _ => r,
            }
        }
    }
}

impl<const AGES: bool> Marking<'_, AGES> {
    /// Notes an object that was just marked, where it is. Only full collections mark, after which no object is
    /// remembered: those neither that did not fit the remembered set.
    ///
    /// # Safety
    /// `r` leads to an object in a block.
    #[inline(always)]
    unsafe fn mark(&mut self, r: u32) {
        // SAFETY: an object's header is readable and writable.
        let (header, granules) = unsafe {
            let (header, granules) = self.header(r);
            if header.0 & GC_REMEMBERED != 0 {
                self.at(r).cast::<u64>().write(header.0 & !GC_REMEMBERED);
            }
            (header, granules)
        };
        self.blocks.mark_lines(r, granules);
        self.shared.work.live += u64::from(granules) << GRANULE_SHIFT;
        self.push(r, header);
    }

    /// The header and the size in granules.
    ///
    /// # Safety
    /// `r` leads to an object.
    #[inline(always)]
    unsafe fn header(&self, r: u32) -> (Header, u32) {
        // SAFETY: the caller's promise.
        unsafe {
            let p = self.at(r);
            let header = Header(p.cast::<u64>().read());
            (header, (size_at(p, header) >> GRANULE_SHIFT) as u32)
        }
    }

    /// Remembers to scan an object that is marked.
    #[inline(always)]
    fn push(&mut self, r: u32, header: Header) {
        let leaf = match header.format() {
            Some(Format::Record) => header.nrefs() == 0,
            Some(Format::RefArray | Format::ExtStr) => false,
            _ => true,
        };
        if leaf {
            return;
        }
        if self.stack.len() < self.stack_max {
            self.stack.push(r);
        } else {
            self.overflowed = true;
        }
    }

    /// # Safety
    /// `r` leads to an object in a chunk with this state, which is `FROM` or above.
    #[inline(always)]
    unsafe fn copy(&mut self, r: u32, state: u8) -> u32 {
        // SAFETY: an object's header is readable.
        unsafe {
            let header = Header(self.at(r).cast::<u64>().read());
            if let Some(to) = header.forwarding() {
                self.shared.met_young |= AGES && header.0 & GC_OLD == 0;
                return to;
            }
            let (_, granules) = self.header(r);
            if state == FROM_AGED {
                self.shared.work.lived += u64::from(granules) << GRANULE_SHIFT;
            } else if AGES {
                return self.copy_young(r, granules, header);
            }
            let to = match self.blocks.alloc(granules, self.old, &self.shared.pages) {
                Some(to) => to,
                None => self.alloc_fresh(granules),
            };
            self.move_to(r, to, granules, header);
            to
        }
    }

    /// # Safety
    /// `r` leads to an object of so many granules with this header, which stays young.
    #[inline(always)]
    unsafe fn copy_young(&mut self, r: u32, granules: u32, header: Header) -> u32 {
        self.shared.met_young = true;
        let to = match self.shared.aged.alloc(granules) {
            Some(to) => to,
            None => self.alloc_young(granules),
        };
        let source = self.at(r).cast::<u64>();
        let target = self.at(to).cast::<u64>();
        // SAFETY: the object's words are readable, and as many are ours at the target.
        unsafe {
            copy_object(source, target, granules, header.0 & !GC_BITS);
            source.write(Header::forwarded(to, 0).0);
        }
        to
    }

    #[cold]
    #[inline(never)]
    fn alloc_young(&mut self, granules: u32) -> u32 {
        let chunk = next_chunk(self.shared.pool.pop(), self.shared.cage);
        self.shared.aged.open(chunk, &mut self.shared.pages);
        match self.shared.aged.alloc(granules) {
            Some(r) => r,
            None => panic!("heap corrupt: object larger than its chunk"),
        }
    }

    /// Moves an object out of a block that is to be emptied, or marks it there.
    ///
    /// # Safety
    /// `r` leads to an object in a `FROM_OLD` block.
    #[inline(never)]
    unsafe fn evacuate(&mut self, r: u32) -> u32 {
        // SAFETY: an object's header is readable.
        unsafe {
            let header = Header(self.at(r).cast::<u64>().read());
            if let Some(to) = header.forwarding() {
                return to;
            }
            if self.blocks.side.is_marked(r) {
                return r;
            }
            let (_, granules) = self.header(r);
            let bytes = u64::from(granules) << GRANULE_SHIFT;
            // Whether it goes into a hole or not, it counts as if it took fresh room where that is what is left.
            let to = if self.spare >= bytes {
                self.spare -= bytes;
                match self.blocks.alloc(granules, self.old, &self.shared.pages) {
                    Some(to) => Some(to),
                    None => Some(self.alloc_fresh(granules)),
                }
            } else {
                self.blocks
                    .alloc_in_hole(granules, self.old, &self.shared.pages)
            };
            match to {
                Some(to) => {
                    self.move_to(r, to, granules, header);
                    to
                }
                None => {
                    self.blocks.side.mark(r);
                    self.mark(r);
                    r
                }
            }
        }
    }

    /// # Safety
    /// `r` leads to an object of so many granules with this header; as many are ours at `to`.
    #[inline(always)]
    unsafe fn move_to(&mut self, r: u32, to: u32, granules: u32, header: Header) {
        let source = self.at(r).cast::<u64>();
        let target = self.at(to).cast::<u64>();
        // SAFETY: the caller's promise.
        unsafe {
            copy_object(source, target, granules, header.0 & !GC_BITS | GC_OLD);
            source.write(Header::forwarded(to, GC_OLD).0);
        }
        self.blocks.side.mark(to);
        self.blocks.mark_lines(to, granules);
        let bytes = u64::from(granules) << GRANULE_SHIFT;
        self.shared.work.live += bytes;
        self.shared.work.promoted += bytes;
        self.push(to, header);
    }

    #[cold]
    #[inline(never)]
    fn alloc_fresh(&mut self, granules: u32) -> u32 {
        let mut block = next_chunk(self.shared.pool.pop(), self.shared.cage);
        block.dirty = true;
        // The lines say what of it holds objects.
        block.top = block.bump_end();
        self.shared.pages.set_chunk(&block, OLD);
        self.old.push(block);
        self.blocks.open(self.old);
        match self.blocks.alloc_in_fresh(granules) {
            Some(r) => r,
            None => panic!("heap corrupt: object larger than its chunk"),
        }
    }

    /// Scans marked objects until there are none left that were not.
    ///
    /// # Safety
    /// All objects hold live references.
    unsafe fn drain(&mut self) {
        loop {
            // SAFETY: what is on the stacks was reached.
            unsafe {
                while let Some(r) = self.stack.pop() {
                    self.scan_old(r);
                }
                if AGES && let Some(copies) = self.shared.aged.unscanned() {
                    let mut r = copies.start;
                    while r < copies.end {
                        r += (self.scan_object(r) >> GRANULE_SHIFT) as u32;
                    }
                    continue;
                }
                if let Some(entry) = self.shared.large.pop() {
                    self.shared.work.scanned += self.scan_large(entry);
                    continue;
                }
            }
            if !self.overflowed {
                return;
            }
            self.overflowed = false;
            // Something that is marked was not scanned: once more all of it. Blocks may be added meanwhile.
            let mut i = 0;
            while let Some(block) = self.old.get(i).copied() {
                // What is marked in a word meanwhile is on the stack, or overflows it once more.
                for word in words_of(&block) {
                    for r in marked_in(word, self.blocks.side.mark_word(word)) {
                        // SAFETY: marked objects are live.
                        unsafe {
                            self.scan_old(r);
                            while let Some(r) = self.stack.pop() {
                                self.scan_old(r);
                            }
                        }
                    }
                }
                i += 1;
            }
        }
    }
}
