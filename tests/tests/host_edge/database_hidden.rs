//! What a database holds beside what is granted: it is neither read nor named, whatever of it a statement leads to.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::database::TRY;
use super::{Attempt, SECRET, World, recorded};

/// A database in which everything that is not granted has `hid` in its name.
fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("try.jet", TRY);
    let db = Connection::open(world.0.join("shop.db")).expect("database");
    db.execute_batch(&format!(
        "create table hid_users(id integer primary key, secret text);
         insert into hid_users values (1, '{SECRET}');
         create table orders(id integer primary key, user int references hid_users(id), item text);
         insert into orders values (1, 1, 'tea'), (2, null, 'paper');
         create table hid_parts(of_order int references orders(id) on delete cascade);
         create table noted(line text);
         create table hid_log(line text);
         create trigger hid_note after insert on noted begin insert into hid_log values (new.line); end;
         create table looked(line text);
         create trigger looks before insert on looked begin
           insert into noted select secret from hid_users; end;
         create view open as select id, item from orders;
         create view names as select secret from hid_users;
         create view hid_view as select secret from hid_users;
         create view over as select * from hid_view;
         create view schema as select sql from sqlite_master;
         create view sizes as select name from dbstat;
         create table hid_gone(a);
         create view broken as select a from hid_gone;
         create table checked(n int constraint small check (n < 10), unique (n));
         insert into checked values (1);"
    ))
    .expect("tables");
    db.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE,
        true,
    )
    .expect("setting");
    db.execute_batch("pragma foreign_keys = off; drop table hid_gone")
        .expect("a view of nothing");
    world
}

/// The answers to a statement, as a query and as a change.
fn answers(world: &World, flags: &[&str], tried: &[&str]) -> Vec<(String, String)> {
    let mut args = vec!["try.jet"];
    args.extend(flags);
    args.push("--");
    args.extend(tried);
    let ended = world.run(&args);
    let lines = ended.lines();
    assert_eq!(lines.len(), tried.len(), "{}", ended.out);
    let pair = |line: &&str| {
        let (read, write) = line.split_once(" | ").expect("two answers");
        (read.to_owned(), write.to_owned())
    };
    lines.iter().map(pair).collect()
}

#[test]
fn nothing_hidden_is_read_or_named() {
    let world = world("hidden");
    let tables = "orders,noted,looked,open,names,over,schema,sizes,broken,checked,looks,hid_note";
    let grants: [&[&str]; 2] = [
        &[&format!("--allow-db=shop.db:{tables}")],
        &[
            "--allow-db=shop.db",
            "--deny-db=hid_users,hid_log,hid_parts,hid_view,hid_gone",
        ],
    ];
    let tried = [
        // What these set off is not granted.
        "insert into orders values (3, 1, 'ink')",
        "insert into orders values (3, 99, 'ink')",
        "update orders set user = 1",
        "delete from orders where id = 1",
        "insert into noted values ('x')",
        "insert into looked values ('x')",
        "insert into noted select secret from names",
        // Nor what these are made of.
        "select * from schema",
        "select count(*) from schema",
        "select * from sizes",
        "select * from broken",
        "select * from looks",
        "with looks as (select secret from hid_users) select * from looks",
        "with hid_note as (select sql from sqlite_master) select * from hid_note",
        "with open as (select secret from hid_users) select * from open",
        "with open as (select sql from sqlite_master) select * from open",
        "select * from orders indexed by hid_index",
        "explain select * from names",
        "explain query plan select * from names",
        "explain query plan select * from open",
        "insert into broken values (1)",
        "insert into open values (1, 'x')",
    ];
    let mut attempts = Vec::new();
    for flags in grants {
        for (sql, (read, write)) in tried.iter().zip(answers(&world, flags, &tried)) {
            for answer in [&read, &write] {
                let refused = answer.starts_with("Denied ") || answer.starts_with("Failed ");
                // Names that the statement has itself.
                let known = !answer.contains("hid_") || sql.contains("hid_");
                assert!(refused && known, "{flags:?}, {sql}: {answer}");
                assert!(!answer.contains(SECRET), "{sql}: {answer}");
            }
            attempts.push(Attempt::new(
                *sql,
                if read == write {
                    read
                } else {
                    format!("{read} | {write}")
                },
            ));
        }
    }
    recorded("SQL that leads to what is hidden", &attempts);
    // A granted view shows what it is made of, through views that are not granted, too; and however it is read.
    let seen = [
        "select * from names",
        "select count(*) from names",
        "select * from over",
        "select count(*) from over",
        "with n as (select * from names) select count(*) from n",
        "select item from open",
    ];
    for (sql, (read, _)) in seen.iter().zip(answers(&world, grants[0], &seen)) {
        assert!(read.contains("rows ["), "{sql}: {read}");
    }
    // What is denied stays so, through whatever view; and the others do not change.
    for (sql, (read, write)) in seen.iter().zip(answers(&world, grants[1], &seen)) {
        let open = sql.contains("open");
        assert_eq!(read.contains("rows ["), open, "{sql}: {read}");
        assert!(
            !read.contains(SECRET) && !write.contains(SECRET),
            "{sql}: {read}"
        );
    }
    let denied = ["--allow-db=shop.db:names,orders", "--deny-db=hid_users"];
    let (read, _) = &answers(&world, &denied, &["select * from names"])[0];
    assert_eq!(read, "Denied table `names`");
    // Constraints of granted tables are told.
    let failing = [
        "insert into checked values (11)",
        "insert into checked values (1)",
    ];
    let told = answers(&world, grants[0], &failing);
    assert_eq!(told[0].1, "Failed CHECK constraint failed: small");
    assert_eq!(told[1].1, "Failed UNIQUE constraint failed: checked.n");
}

/// Statements whose single steps would take hours: SQL, and what it gives.
const STEEP: &[(&str, &str)] = &[
    (
        "select instr(printf('%.*c', 20000000, 'a'), printf('%.*c', 9000000, 'a') || 'b')",
        "1 rows [DbValue.Int(0)]",
    ),
    (
        "select instr(zeroblob(20000000), cast(zeroblob(9000000) || 'b' as blob))",
        "1 rows [DbValue.Int(0)]",
    ),
    (
        "select length(replace(printf('%.*c', 20000000, 'a'), printf('%.*c', 9000000, 'a') || 'b', ''))",
        "1 rows [DbValue.Int(20000000)]",
    ),
    (
        "with recursive n(i, s) as (select 1, '' union all select i + 1, s || char(20000 + i) from n where i < 20000), \
         t(s) as (select s from n where i = 20000) select length(trim(replace(printf('%.*c', 5000000, '-'), '-', char(40000)), s || char(40000))) from t",
        "1 rows [DbValue.Int(0)]",
    ),
    (
        "select length(unhex(printf('%.*c', 20000000, '-') || '61', printf('%.*c', 9000000, ' ') || '-'))",
        "1 rows [DbValue.Int(1)]",
    ),
];

#[test]
fn no_single_step_takes_long() {
    let world = world("steep");
    let start = Instant::now();
    let tried: Vec<&str> = STEEP.iter().map(|(sql, _)| *sql).collect();
    let answers = answers(&world, &["--allow-db=shop.db"], &tried);
    let mut attempts = Vec::new();
    for ((sql, expected), (read, _)) in STEEP.iter().zip(answers) {
        assert_eq!(read, *expected, "{sql}");
        attempts.push(Attempt::new(*sql, read));
    }
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
    // The more steps a statement has, the shorter are its values.
    let long = format!(
        "select {}",
        vec!["length(upper(printf('%.*c', 20000000, 'a')))"; 1500].join(" + ")
    );
    let many = format!(
        "select {}",
        vec!["upper(a)"; 1500].join(", ") + " from (select printf('%.*c', 20000000, 'a') as a)"
    );
    for sql in [long.replacen('+', "|", 1).replace('+', "|"), many] {
        let start = Instant::now();
        let (read, _) = &self::answers(&world, &["--allow-db=shop.db"], &[&sql])[0];
        assert!(read.starts_with("Failed "), "{read}");
        attempts.push(Attempt::new(&*sql, read));
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            start.elapsed()
        );
    }
    let (read, _) = &self::answers(
        &world,
        &["--allow-db=shop.db"],
        &["select length(printf('%.*c', 20000000, 'a'))"],
    )[0];
    assert_eq!(read, "1 rows [DbValue.Int(20000000)]");
    recorded("SQL whose single steps would take hours", &attempts);
}

#[test]
fn what_defines_something_changes_no_rows() {
    let world = world("changes");
    let tried = [
        "insert into checked values (2), (3)",
        "create table more(a)",
        "create index by_a on more(a)",
        "insert into more select n from checked",
        "update more set a = 0 where a > 99",
        "drop table more",
    ];
    let changes: Vec<String> = answers(&world, &["--allow-db=shop.db"], &tried)
        .into_iter()
        .map(|(_, write)| write)
        .collect();
    assert_eq!(
        changes,
        [
            "2 changes",
            "0 changes",
            "0 changes",
            "3 changes",
            "0 changes",
            "0 changes"
        ]
    );
}
