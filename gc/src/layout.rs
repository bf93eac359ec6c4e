//! Object layout: the one place that knows the bits of a header and the offset of a field.
//!
//! Every object starts, 8-aligned, with one 64-bit header. The header (and, for arrays and strings, the
//! length word after it) tells the size of the object and where its references are, so the collector
//! needs no table of types. The interpreter, machine code and the collector all take their offsets from
//! here; a change here is a change of the contract with all of them.
//!
//! What must stay true: a header that a mutator writes has zero collector bits and a format other than
//! `Forwarded`; sizes are multiples of 8; `object_size` never overflows for any 64-bit header and length.

/// Size of the unit that references count in: a reference is a byte offset from the cage's base divided by this.
pub const GRANULE: usize = 8;
/// `log2(GRANULE)`.
pub const GRANULE_SHIFT: u32 = 3;
/// References below this value are immediates (none, payload-less variants), never addresses.
pub const FIRST_ADDRESS: u32 = 256;

/// Lowest bit of the format field.
pub const FORMAT_SHIFT: u32 = 0;
/// Mask of the format field.
pub const FORMAT_MASK: u64 = 0xf;
/// Bits that belong to the collector; zero in a header that the mutator writes.
pub const GC_BITS: u64 = 0xf0;
/// Collector bit: the object is in the old generation.
pub const GC_OLD: u64 = 0x10;
/// Collector bit: the (old) object is in the remembered set.
pub const GC_REMEMBERED: u64 = 0x20;
/// Lowest bit of the tag (u8: the index of an enum variant).
pub const TAG_SHIFT: u32 = 8;
/// Mask of the tag after shifting.
pub const TAG_MASK: u64 = 0xff;
/// Lowest bit of the count of reference fields (u12, records only).
pub const NREFS_SHIFT: u32 = 16;
/// Mask of the count of reference fields after shifting.
pub const NREFS_MASK: u64 = 0xfff;
/// Lowest bit of the count of scalar words (u12, records only).
pub const NWORDS_SHIFT: u32 = 28;
/// Mask of the count of scalar words after shifting.
pub const NWORDS_MASK: u64 = 0xfff;
/// Lowest bit of the type id (u24), which is opaque to the collector.
pub const TYPE_SHIFT: u32 = 40;
/// Mask of the type id after shifting.
pub const TYPE_MASK: u64 = 0xff_ffff;

/// Most reference fields of a record.
pub const MAX_REFS: u32 = 4095;
/// Most scalar words of a record.
pub const MAX_WORDS: u32 = 4095;
/// Number of type ids.
pub const TYPE_COUNT: u32 = 1 << 24;

/// Byte offset of the header.
pub const HEADER_OFFSET: usize = 0;
/// Byte offset of the tag as a byte of its own.
pub const TAG_OFFSET: usize = 1;
/// Byte offset of the first reference of a record.
pub const RECORD_REFS: usize = 8;
/// Byte offset of the length (u32, elements or bytes) of arrays and strings.
pub const LENGTH_OFFSET: usize = 8;
/// Byte offset of the cached hash (u32, 0 = not computed) of `Str` and `ExtStr`.
pub const HASH_OFFSET: usize = 12;
/// Byte offset of the first element of an array or the first byte of a `Str`.
pub const DATA_OFFSET: usize = 16;
/// Byte offset of the external table's index (u64) in an `ExtStr`.
pub const EXT_INDEX_OFFSET: usize = 16;
/// Size of an `ExtStr`.
pub const EXT_STR_SIZE: usize = 24;

/// How the body of an object is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Format {
    /// Moved: the upper half of the header is the new reference. Seen only during a collection.
    Forwarded = 0,
    /// References, then 8-byte scalars; both counts are in the header.
    Record = 1,
    /// Array of 4-byte references.
    RefArray = 2,
    /// Array of 8-byte scalars.
    Words = 3,
    /// Array of bytes.
    Bytes = 4,
    /// Array of 4-byte scalars.
    U32s = 5,
    /// Inline UTF-8.
    Str = 6,
    /// String whose bytes are in an external buffer.
    ExtStr = 7,
}

impl Format {
    /// The format with this number.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Option<Format> {
        Some(match bits {
            0 => Format::Forwarded,
            1 => Format::Record,
            2 => Format::RefArray,
            3 => Format::Words,
            4 => Format::Bytes,
            5 => Format::U32s,
            6 => Format::Str,
            7 => Format::ExtStr,
            _ => return None,
        })
    }

    /// Bytes of one element (1 for strings, 0 for what has no elements).
    #[inline(always)]
    pub const fn element_size(self) -> usize {
        match self {
            Format::RefArray | Format::U32s => 4,
            Format::Words => 8,
            Format::Bytes | Format::Str => 1,
            Format::Forwarded | Format::Record | Format::ExtStr => 0,
        }
    }

    /// Whether objects of this format have a length word and elements after it.
    #[inline(always)]
    pub const fn is_array(self) -> bool {
        self.element_size() != 0
    }
}

/// A 64-bit object header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(transparent)]
pub struct Header(pub u64);

impl Header {
    /// Header of a record. Counts and type id above their limits are cut to the field's width; the
    /// verifier and the linker keep them in range.
    #[inline(always)]
    pub const fn record(type_id: u32, tag: u8, nrefs: u32, nwords: u32) -> Header {
        debug_assert!(nrefs <= MAX_REFS && nwords <= MAX_WORDS && type_id < TYPE_COUNT);
        Header(
            Format::Record as u64
                | (tag as u64) << TAG_SHIFT
                | (nrefs as u64 & NREFS_MASK) << NREFS_SHIFT
                | (nwords as u64 & NWORDS_MASK) << NWORDS_SHIFT
                | (type_id as u64 & TYPE_MASK) << TYPE_SHIFT,
        )
    }

    /// Header of anything but a record.
    #[inline(always)]
    pub const fn of(format: Format, type_id: u32) -> Header {
        debug_assert!(type_id < TYPE_COUNT);
        Header(format as u64 | (type_id as u64 & TYPE_MASK) << TYPE_SHIFT)
    }

    /// The mark that a collection leaves where an object was: where it went, and the collector's bits of the copy.
    #[inline(always)]
    pub(crate) const fn forwarded(to: u32, bits: u64) -> Header {
        debug_assert!(bits & !GC_BITS == 0);
        Header(Format::Forwarded as u64 | bits | (to as u64) << 32)
    }

    /// Where the object went, when this is a forwarding mark.
    #[inline(always)]
    pub(crate) const fn forwarding(self) -> Option<u32> {
        if self.0 & FORMAT_MASK == 0 {
            Some((self.0 >> 32) as u32)
        } else {
            None
        }
    }

    /// The format's number.
    #[inline(always)]
    pub const fn format_bits(self) -> u64 {
        self.0 & FORMAT_MASK
    }

    /// The format; `None` for a number that has no meaning.
    #[inline(always)]
    pub const fn format(self) -> Option<Format> {
        Format::from_bits(self.format_bits())
    }

    /// The tag: index of an enum variant.
    #[inline(always)]
    pub const fn tag(self) -> u8 {
        (self.0 >> TAG_SHIFT & TAG_MASK) as u8
    }

    /// Number of reference fields (records).
    #[inline(always)]
    pub const fn nrefs(self) -> u32 {
        (self.0 >> NREFS_SHIFT & NREFS_MASK) as u32
    }

    /// Number of scalar words (records).
    #[inline(always)]
    pub const fn nwords(self) -> u32 {
        (self.0 >> NWORDS_SHIFT & NWORDS_MASK) as u32
    }

    /// The type id.
    #[inline(always)]
    pub const fn type_id(self) -> u32 {
        (self.0 >> TYPE_SHIFT) as u32
    }

    /// Size in bytes of the record that this header describes.
    #[inline(always)]
    pub const fn record_bytes(self) -> usize {
        record_size(self.nrefs(), self.nwords())
    }

    /// The same in granules.
    #[inline(always)]
    pub const fn record_granules(self) -> u32 {
        (self.record_bytes() >> GRANULE_SHIFT) as u32
    }
}

/// Rounds up to the granule.
#[inline(always)]
pub const fn round_up(bytes: u64) -> u64 {
    (bytes + 7) & !7
}

/// Byte offset of reference field `i` of a record.
#[inline(always)]
pub const fn ref_offset(i: u32) -> usize {
    RECORD_REFS + 4 * i as usize
}

/// Number of the reference field of a record that is at a byte offset.
#[inline(always)]
pub const fn ref_index(offset: usize) -> u32 {
    ((offset - RECORD_REFS) / 4) as u32
}

/// Byte offset of scalar word `j` of a record with `nrefs` references.
#[inline(always)]
pub const fn word_offset(nrefs: u32, j: u32) -> usize {
    RECORD_REFS + 4 * ((nrefs as usize + 1) & !1) + 8 * j as usize
}

/// Size in bytes of a record.
#[inline(always)]
pub const fn record_size(nrefs: u32, nwords: u32) -> usize {
    word_offset(nrefs, nwords)
}

/// Byte offset of element `i` of an array of this format.
#[inline(always)]
pub const fn element_offset(format: Format, i: u32) -> u64 {
    DATA_OFFSET as u64 + format.element_size() as u64 * i as u64
}

/// Size in bytes of an array (or `Str`) of `len` elements. The first byte of a string is there even if it is empty, so that it can be
/// looked at together with the length.
#[inline(always)]
pub const fn array_size(format: Format, len: u32) -> u64 {
    let least = matches!(format, Format::Str) as u32;
    round_up(element_offset(
        format,
        if len < least { least } else { len },
    ))
}

/// Size in bytes of an object, from its header and the u32 at offset 8 (looked at for arrays only).
/// `None` for a header that no object has.
#[inline(always)]
pub const fn object_size(header: Header, len: u32) -> Option<u64> {
    match header.format() {
        Some(Format::Record) => Some(header.record_bytes() as u64),
        Some(Format::ExtStr) => Some(EXT_STR_SIZE as u64),
        Some(Format::Forwarded) | None => None,
        Some(array) => Some(array_size(array, len)),
    }
}

/// A reference: a byte offset from the cage's base divided by 8, or an immediate below [`FIRST_ADDRESS`].
///
/// A `Ref` is a plain number. It names an object only until the next allocation of the same heap, which
/// may move everything; whoever holds one longer holds it in a slot that [`crate::Roots`] shows, or in a
/// [`crate::Handle`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
#[repr(transparent)]
pub struct Ref(pub u32);

impl Ref {
    /// The immediate 0: none.
    pub const NULL: Ref = Ref(0);

    /// Whether this is an address and not an immediate.
    #[inline(always)]
    pub const fn is_address(self) -> bool {
        self.0 >= FIRST_ADDRESS
    }

    /// Whether this is the immediate 0.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Byte offset from the cage's base.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        (self.0 as usize) << GRANULE_SHIFT
    }

    /// What a register holds: the reference, zero-extended.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        self.0 as u64
    }

    /// The reference in a register.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Ref {
        Ref(word as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_do_not_overlap() {
        let h = Header::record(TYPE_COUNT - 1, 255, MAX_REFS, MAX_WORDS);
        assert_eq!(
            (h.type_id(), h.tag(), h.nrefs(), h.nwords()),
            (TYPE_COUNT - 1, 255, 4095, 4095)
        );
        assert_eq!(h.0 & GC_BITS, 0);
        assert_eq!(h.format(), Some(Format::Record));
        let h = Header::record(1, 2, 3, 4);
        assert_eq!((h.type_id(), h.tag(), h.nrefs(), h.nwords()), (1, 2, 3, 4));
        let h = Header::of(Format::Str, 7);
        assert_eq!((h.type_id(), h.tag(), h.nrefs(), h.nwords()), (7, 0, 0, 0));
    }

    #[test]
    fn offsets() {
        assert_eq!(record_size(0, 0), 8);
        assert_eq!(record_size(1, 0), 16);
        assert_eq!(record_size(1, 1), 24);
        assert_eq!(record_size(3, 1), 32);
        assert_eq!(word_offset(1, 0), 16);
        assert_eq!(word_offset(2, 1), 24);
        assert_eq!(ref_offset(2), 16);
        assert_eq!(ref_index(ref_offset(5)), 5);
        assert_eq!(array_size(Format::Bytes, 1), 24);
        assert_eq!(
            array_size(Format::Words, u32::MAX),
            16 + 8 * u64::from(u32::MAX)
        );
        assert_eq!(object_size(Header(0), 0), None);
        assert_eq!(object_size(Header(15), 0), None);
    }

    #[test]
    fn forwarding_round_trip() {
        for bits in [0, GC_OLD] {
            let header = Header::forwarded(0xdead_beef, bits);
            assert_eq!(header.forwarding(), Some(0xdead_beef));
            assert_eq!(header.0 & GC_BITS, bits);
        }
        assert_eq!(Header::of(Format::Bytes, 3).forwarding(), None);
    }
}
