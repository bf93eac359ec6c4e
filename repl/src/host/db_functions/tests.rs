//! The functions answer as SQLite's own do.

use super::*;
use crate::host::db_guard::Guard;
use jet_vm::host::{DbGrant, HostCx, HostUsage, Limits};

/// SQLite's own functions, and ours.
fn both() -> (Connection, Connection) {
    let guard = Arc::new(Guard::new(&DbGrant::default()));
    let (limits, mut usage) = (Limits::default(), HostUsage::default());
    guard
        .budget
        .start(&HostCx::new(&limits, &mut usage, 1 << 30, None));
    guard.budget.bound(1 << 30);
    let own = Connection::open_in_memory().unwrap();
    let ours = Connection::open_in_memory().unwrap();
    install(&ours, &guard).unwrap();
    (own, ours)
}

/// Texts, blobs and numbers as SQL.
const VALUES: &[&str] = &[
    "null",
    "''",
    "' '",
    "'a'",
    "'A'",
    "'aab'",
    "'aabaab'",
    "'  a b  '",
    "'été'",
    "'ÉTÉ'",
    "'tété€'",
    "'€'",
    "'%'",
    "'_'",
    "'a%'",
    "'%b'",
    "'%a%b%'",
    "'a_b'",
    "'__b'",
    "'\\%'",
    "'*'",
    "'a*'",
    "'*a?b'",
    "'[a-c]*'",
    "'[^a]*'",
    "'[]a]*'",
    "'[a-]*'",
    "'[-a]*'",
    "'[^]]*'",
    "'[a'",
    "'[z-a]'",
    "'*[b]'",
    "']'",
    "'a-b'",
    "'61 62'",
    "'6162'",
    "'6 1'",
    "'61z62'",
    "'a' || char(0) || 'b'",
    "char(0)",
    "x''",
    "x'61'",
    "x'6161'",
    "x'ff61'",
    "x'c3'",
    "x'e282ac'",
    "0",
    "10",
    "-7",
    "1.5",
    "0.1 + 0.2",
    "1e300",
    "9e999",
];

fn answer(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare_cached(sql).unwrap();
    let answer = statement.query_row([], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Text(bytes) => format!("text {bytes:?}"),
            ValueRef::Blob(bytes) => format!("blob {bytes:?}"),
            other => format!("{other:?}"),
        })
    });
    answer.unwrap_or_else(|_| "an error".into())
}

/// Whether the answer is a text that is not one.
fn no_text(answer: &str) -> bool {
    let bytes = answer
        .strip_prefix("text [")
        .and_then(|t| t.strip_suffix(']'));
    let bytes: Option<Vec<u8>> = bytes.and_then(|t| {
        let parts = t.split(", ").filter(|p| !p.is_empty());
        parts.map(|b| b.parse().ok()).collect()
    });
    bytes.is_some_and(|b| String::from_utf8(b).is_err())
}

#[test]
fn they_answer_as_those_of_sqlite_do() {
    let (own, ours) = both();
    let mut seen = 0;
    let mut same = |sql: &str| {
        let (a, b) = (answer(&own, sql), answer(&ours, sql));
        seen += 1;
        assert!(a == b || no_text(&a), "{sql}: {a}, not {b}");
    };
    for a in VALUES {
        for name in ["trim", "ltrim", "rtrim"] {
            same(&format!("select {name}({a})"));
        }
        for b in VALUES {
            // Of bytes that are no text, `unhex` reads another character.
            let text = |v: &str| !["x'ff61'", "x'c3'"].contains(&v);
            if text(a) && text(b) {
                same(&format!("select unhex({a}, {b})"));
            }
            for name in ["instr", "trim", "ltrim", "rtrim", "like", "glob"] {
                same(&format!("select {name}({a}, {b})"));
            }
            for c in ["null", "''", "'xyz'", "x'ff'", "12.5"] {
                same(&format!("select replace({a}, {b}, {c})"));
            }
            for c in ["null", "''", "'\\'", "'%'", "'_'", "'a'", "'ab'", "'é'"] {
                same(&format!("select like({a}, {b}, {c})"));
            }
        }
    }
    assert!(seen > 40_000, "{seen}");
}

#[test]
fn patterns_end_and_are_bounded() {
    let (_, ours) = both();
    let pattern = |n: usize| format!("select like('{}', 'x')", "%a".repeat(n));
    assert_eq!(answer(&ours, &pattern(500)), "Integer(0)");
    assert_eq!(answer(&ours, &pattern(501)), "an error");
    // Ten million characters and a pattern that fits nearly everywhere: the fuel ends it.
    let guard = Arc::new(Guard::new(&DbGrant::default()));
    let db = Connection::open_in_memory().unwrap();
    install(&db, &guard).unwrap();
    let (limits, mut usage) = (Limits::default(), HostUsage::default());
    let cx = HostCx::new(&limits, &mut usage, 1 << 30, None).with_work(1_000_000, Arc::default());
    guard.budget.start(&cx);
    guard.budget.bound(1 << 30);
    let sql = format!(
        "select like('%{}b', printf('%.*c', 10000000, 'a'))",
        "a".repeat(900)
    );
    assert_eq!(answer(&db, &sql), "an error");
    assert!(guard.budget.stopped().is_some());
}
