//! Signatures: what is signed verifies, and nothing else does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::everything;
use jet_bytecode::format::signature::{PublicKey, SecretKey, sign, signers, strip};
use jet_bytecode::format::{FormatError, decode, encode, root_hash, sections};

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

#[track_caller]
fn refused(bytes: &[u8]) {
    for result in [
        decode(bytes).map(|_| ()),
        signers(bytes).map(|_| ()),
        sections(bytes).map(|_| ()),
    ] {
        match result {
            Err(FormatError::Signature(_) | FormatError::Truncated) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn signed_bundles_name_their_signers() {
    let plain = encode(&everything()).unwrap();
    assert_eq!(signers(&plain), Ok(vec![]));
    let one = sign(&plain, &key(1)).unwrap();
    assert_eq!(signers(&one), Ok(vec![key(1).public()]));
    assert_eq!(decode(&one), decode(&plain));
    assert_eq!(root_hash(&one), root_hash(&plain));
    assert_eq!(strip(&one), plain);
    assert_eq!(strip(&plain), plain);
    // The same key twice is one signature; order of signing does not matter.
    assert_eq!(sign(&one, &key(1)).unwrap(), one);
    let both = sign(&one, &key(2)).unwrap();
    assert_eq!(
        both,
        sign(&sign(&plain, &key(2)).unwrap(), &key(1)).unwrap()
    );
    assert_eq!(signers(&both).unwrap().len(), 2);
    assert_eq!(sections(&both).unwrap(), sections(&plain).unwrap());
    // Sixteen at most.
    let mut all = plain.clone();
    for n in 0..16 {
        all = sign(&all, &key(n)).unwrap();
    }
    assert_eq!(signers(&all).unwrap().len(), 16);
    assert_eq!(
        sign(&all, &key(99)),
        Err(FormatError::TooLarge("signatures"))
    );
}

#[test]
fn every_changed_byte_is_noticed() {
    let plain = encode(&everything()).unwrap();
    let signed = sign(&plain, &key(1)).unwrap();
    for at in plain.len()..signed.len() {
        for bit in [0, 3, 7] {
            let mut bad = signed.clone();
            bad[at] ^= 1 << bit;
            assert!(decode(&bad).is_err(), "byte {at}, bit {bit}");
        }
    }
    for end in plain.len() + 1..signed.len() {
        assert!(decode(&signed[..end]).is_err(), "cut at {end}");
    }
    let mut long = signed.clone();
    long.push(0);
    refused(&long);
}

#[test]
fn a_signature_belongs_to_one_bundle_and_one_key() {
    let plain = encode(&everything()).unwrap();
    let mut other = everything();
    other.packages[0].version = "9.9.9".into();
    let other = encode(&other).unwrap();
    let block = sign(&plain, &key(1)).unwrap().split_off(plain.len());
    refused(&[other, block.clone()].concat());
    // Another key in front of the signature.
    let mut wrong = block.clone();
    wrong[10..42].copy_from_slice(&key(2).public().to_bytes());
    refused(&[plain.clone(), wrong].concat());
    // Two entries for one key; two in the wrong order; none.
    let twice = [&block[..8], &[2, 0], &block[10..], &block[10..]].concat();
    refused(&[plain.clone(), twice].concat());
    let both = sign(&sign(&plain, &key(1)).unwrap(), &key(2)).unwrap();
    let both = &both[plain.len()..];
    let swapped = [&both[..10], &both[10 + 96..], &both[10..10 + 96]].concat();
    refused(&[plain.clone(), swapped].concat());
    refused(&[&plain[..], &block[..8], &[0, 0]].concat());
}

/// The group's order, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn other_forms_of_a_signature_are_refused() {
    let plain = encode(&everything()).unwrap();
    let signed = sign(&plain, &key(1)).unwrap();
    // s + L is the same number modulo L.
    let mut bad = signed.clone();
    let s = plain.len() + 10 + 64;
    let mut carry = 0u16;
    for i in 0..32 {
        carry += u16::from(bad[s + i]) + u16::from(L[i]);
        bad[s + i] = carry as u8;
        carry >>= 8;
    }
    refused(&bad);
    // Points of small order sign anything.
    let mut identity = [0u8; 32];
    identity[0] = 1;
    for weak in [[0u8; 32], identity] {
        assert_eq!(PublicKey::from_bytes(weak), None);
        let block = [&signed[plain.len()..][..10], &weak, &identity, &[0; 32]].concat();
        refused(&[plain.clone(), block].concat());
    }
}
