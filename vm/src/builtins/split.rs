//! Builtins between strings and lists. Pieces are found again from the text after each allocation, so
//! nothing outside the heap grows with them.

use jet_bytecode::analysis::fuel::{byte_work, element_work, piece_work};
use jet_bytecode::opcodes::TrapKind;
use jet_gc::layout::DATA_OFFSET;
use jet_gc::{Format, Ref};

use super::builtins;
use crate::ops_list::Refs;
use crate::slow::{Done, Vm};
use crate::strings::str_len_of;

/// A piece of a text, and where to look for the next.
type Piece = (usize, usize, usize);

impl Vm<'_> {
    /// A list of the pieces that `next` finds in the flat string in register `reg`.
    fn pieces(&mut self, reg: usize, next: impl Fn(&str, usize) -> Option<Piece>) -> Done<Ref> {
        let mut count = 0u64;
        let mut at = 0;
        while let Some((_, _, then)) = next(self.text(reg), at) {
            count += 1;
            at = then;
        }
        self.charge(element_work(count))?;
        let list = self.new_list(Format::RefArray, count, count)?;
        let place = self.keep(list);
        let (mut at, mut i) = (0, 0);
        while let Some((from, to, then)) = next(self.text(reg), at) {
            let piece = self.substring(reg, from, to)?;
            let (data, _) = self.list_parts(self.kept(place));
            self.store::<Refs>(data, i, piece.to_word());
            at = then;
            i += 1;
        }
        Ok(self.kept(place))
    }

    /// The first `len` bytes of a list's backing array.
    fn list_bytes(&self, reg: usize) -> &[u8] {
        let (data, len) = self.list_parts(self.obj(reg));
        if data.is_null() {
            return &[];
        }
        let p = self.address(data).wrapping_add(DATA_OFFSET);
        // SAFETY: an operand of type `[byte]`: `len` elements; nothing allocates while it is borrowed.
        unsafe { std::slice::from_raw_parts(p, len as usize) }
    }

    /// The characters of a list's backing array.
    fn list_chars(&self, reg: usize) -> &[u32] {
        let (data, len) = self.list_parts(self.obj(reg));
        if data.is_null() {
            return &[];
        }
        let p = self.address(data).wrapping_add(DATA_OFFSET).cast::<u32>();
        // SAFETY: an operand of type `[char]`: `len` elements; nothing allocates while it is borrowed.
        unsafe { std::slice::from_raw_parts(p, len as usize) }
    }

    /// Appends bytes (which are not in the heap) to the `[byte]` in register `reg`.
    fn push_bytes(&mut self, reg: usize, bytes: &[u8]) -> Done {
        self.grow(reg, Format::Bytes, bytes.len() as u64)?;
        let list = self.obj(reg);
        let (data, len) = self.list_parts(list);
        if !bytes.is_empty() {
            let p = self.address(data).wrapping_add(DATA_OFFSET + len as usize);
            // SAFETY: there is room for that many behind `len`.
            unsafe { p.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        self.set_list_len(list, len + bytes.len() as u64);
        Ok(())
    }
}

fn scalar(c: u32) -> char {
    char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn next_char(text: &str, at: usize) -> Option<Piece> {
    let c = text.get(at..)?.chars().next()?;
    let end = at + c.len_utf8();
    Some((at, end, end))
}

/// `at` is one past the end once the last piece was given.
fn next_between(text: &str, separator: &str, at: usize) -> Option<Piece> {
    let rest = text.get(at..)?;
    Some(match rest.find(separator) {
        Some(i) => (at, at + i, at + i + separator.len()),
        None => (at, text.len(), text.len() + 1),
    })
}

fn next_line(text: &str, at: usize) -> Option<Piece> {
    let rest = text.get(at..).filter(|r| !r.is_empty())?;
    let (line, then) = match rest.find('\n') {
        Some(i) => (rest.get(..i)?, at + i + 1),
        None => return Some((at, text.len(), text.len())),
    };
    let line = line.strip_suffix('\r').unwrap_or(line);
    Some((at, at + line.len(), then))
}

fn next_word(text: &str, at: usize) -> Option<Piece> {
    let rest = text.get(at..)?;
    let start = at + rest.find(|c: char| !c.is_whitespace())?;
    let word = text.get(start..)?;
    let end = start + word.find(char::is_whitespace).unwrap_or(word.len());
    Some((start, end, end))
}

builtins! {
    /// `str_split`
    Split |vm| {
        let [s, sep] = vm.read_args([0, 1])?;
        let separator = vm.text(sep).to_owned();
        let list = if separator.is_empty() {
            vm.pieces(s, next_char)?
        } else {
            vm.pieces(s, |text, at| next_between(text, &separator, at))?
        };
        list.to_word()
    }
    /// `str_lines`
    Lines |vm| {
        let [s] = vm.read_args([0])?;
        vm.pieces(s, next_line)?.to_word()
    }
    /// `str_split_whitespace`
    Words |vm| {
        let s = vm.read_characters()?;
        vm.pieces(s, next_word)?.to_word()
    }
    /// `str_chars`
    Chars |vm| {
        let [s] = vm.read_args([0])?;
        let n = vm.text(s).chars().count() as u64;
        vm.charge(element_work(n))?;
        let list = vm.new_list(Format::U32s, n, n)?;
        let (data, _) = vm.list_parts(list);
        let p = vm.address(data).wrapping_add(DATA_OFFSET).cast::<u32>();
        for (i, c) in vm.text(s).chars().enumerate() {
            // SAFETY: the array has as many elements as the text characters.
            unsafe { p.add(i).write(u32::from(c)) };
        }
        list.to_word()
    }
    /// `str_bytes`
    Bytes |vm| {
        let [s] = vm.read_args([0])?;
        let n = vm.str_len(s);
        let list = vm.new_list(Format::Bytes, n, n)?;
        let (data, _) = vm.list_parts(list);
        if n > 0 {
            let p = vm.address(data).wrapping_add(DATA_OFFSET);
            // SAFETY: a fresh array of that many bytes, which the string is not.
            unsafe { p.copy_from_nonoverlapping(vm.bytes(s).as_ptr(), n as usize) };
        }
        list.to_word()
    }
    /// `str_from_chars`
    FromChars |vm| {
        let reg = vm.arg_ix(0);
        let n = vm.list_len(vm.obj(reg));
        vm.charge_point(element_work(n))?;
        let len = vm.list_chars(reg).iter().map(|c| scalar(*c).len_utf8() as u64).sum::<u64>();
        vm.charge_result(len)?;
        let fresh = vm.array(Format::Str, len)?;
        // SAFETY: the data of a fresh string of `len` bytes.
        let out = unsafe {
            std::slice::from_raw_parts_mut(vm.ctx.heap_box.data_ptr(fresh), len as usize)
        };
        let mut at = 0;
        for c in vm.list_chars(reg) {
            at += scalar(*c).encode_utf8(&mut out[at..]).len();
        }
        fresh.to_word()
    }
    /// `str_from_bytes`
    FromBytes |vm| {
        let reg = vm.arg_ix(0);
        let n = vm.list_len(vm.obj(reg));
        vm.charge_point(byte_work(n))?;
        if let Err(e) = std::str::from_utf8(vm.list_bytes(reg)) {
            let at = e.valid_up_to();
            return Err(vm.trap(TrapKind::Conversion, format!("not UTF-8 at byte {at}")));
        }
        let fresh = vm.array(Format::Str, n)?;
        let out = vm.ctx.heap_box.data_ptr(fresh);
        // SAFETY: a fresh string of `n` bytes, which the list is not.
        unsafe { out.copy_from_nonoverlapping(vm.list_bytes(reg).as_ptr(), n as usize) };
        fresh.to_word()
    }
    /// `bytes_are_utf8`
    AreUtf8 |vm| {
        let reg = vm.arg_ix(0);
        let n = vm.list_len(vm.obj(reg));
        vm.charge_point(byte_work(n))?;
        u64::from(std::str::from_utf8(vm.list_bytes(reg)).is_ok())
    }
    /// `bytes_push_str`
    PushStr |vm| {
        let s = vm.arg_ix(1);
        vm.charge_point(byte_work(vm.str_len(s)))?;
        vm.flatten(s)?;
        let reg = vm.arg_ix(0);
        let n = vm.str_len(s);
        vm.grow(reg, Format::Bytes, n)?;
        let list = vm.obj(reg);
        let (data, len) = vm.list_parts(list);
        if n > 0 {
            let p = vm.address(data).wrapping_add(DATA_OFFSET + len as usize);
            // SAFETY: there is room for that many behind `len`; a string is no array of bytes.
            unsafe { p.copy_from_nonoverlapping(vm.bytes(s).as_ptr(), n as usize) };
        }
        vm.set_list_len(list, len + n);
        0
    }
    /// `bytes_push_char`
    PushChar |vm| {
        vm.charge_point(0)?;
        let mut buffer = [0; 4];
        let text = scalar(vm.arg(1) as u32).encode_utf8(&mut buffer);
        vm.push_bytes(vm.arg_ix(0), text.as_bytes())?;
        0
    }
    /// `str_join`
    Join |vm| {
        let (reg, sep) = (vm.arg_ix(0), vm.arg_ix(1));
        let n = vm.list_len(vm.obj(reg));
        vm.charge_point(piece_work(n))?;
        vm.flatten(sep)?;
        let mut len = n.saturating_sub(1).saturating_mul(vm.str_len(sep));
        let (data, _) = vm.list_parts(vm.obj(reg));
        for i in 0..n {
            // SAFETY: elements of a `[string]`.
            unsafe {
                let s = vm.ctx.heap_box.ref_at(data, i as u32);
                len = len.saturating_add(str_len_of(&vm.ctx.heap_box, s));
            }
        }
        vm.charge_result(len)?;
        let fresh = vm.array(Format::Str, len)?;
        // SAFETY: the data of a fresh string of `len` bytes.
        let out = unsafe {
            std::slice::from_raw_parts_mut(vm.ctx.heap_box.data_ptr(fresh), len as usize)
        };
        let (data, _) = vm.list_parts(vm.obj(reg));
        let mut at = 0;
        for i in 0..n {
            if i > 0 {
                let separator = vm.bytes(sep);
                out[at..at + separator.len()].copy_from_slice(separator);
                at += separator.len();
            }
            // SAFETY: elements of a `[string]`; nothing allocates meanwhile.
            unsafe {
                let heap = &vm.ctx.heap_box;
                let s = heap.ref_at(data, i as u32);
                let part = str_len_of(heap, s) as usize;
                crate::strings::write_text(heap, s, &mut out[at..at + part]);
                at += part;
            }
        }
        fresh.to_word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, next: impl Fn(&str, usize) -> Option<Piece>) -> Vec<String> {
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some((a, b, then)) = next(text, at) {
            out.push(text[a..b].to_owned());
            at = then;
        }
        out
    }

    #[test]
    fn pieces() {
        for text in ["", "a", "a,b", ",a,", ",,", "é,ü"] {
            let want: Vec<_> = text.split(',').collect();
            assert_eq!(all(text, |t, i| next_between(t, ",", i)), want, "{text:?}");
        }
        for text in ["", "a", "a\nb", "a\r\nb\n", "\n\n", "a\r"] {
            let want: Vec<_> = text.lines().collect();
            assert_eq!(all(text, next_line), want, "{text:?}");
            let want: Vec<_> = text.split_whitespace().collect();
            assert_eq!(all(text, next_word), want, "{text:?}");
        }
        assert_eq!(all("aé", next_char), ["a", "é"]);
    }
}
