//! A database of which one table is granted, and all the SQL that tries to get at the rest.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Attempt, SECRET, World, recorded, stopped};

/// Tries every argument as a query and as a statement that changes something.
pub const TRY: &str = r#"
fn main(args: [string]) uses Console + Database:
    for sql in args:
        let read = match Database.query(sql, []):
            Ok(rows) => f"{rows.len()} rows {rows.map(fn(r) => r.values.show()).join(" ")}"
            Err(e) => told(e)
        let write = match Database.execute(sql, []):
            Ok(n) => f"{n} changes"
            Err(e) => told(e)
        Console.print(f"{read} | {write}".replace("\n", " "))

fn told(e: DbError) -> string:
    return match e:
        DbError.Failed(why) => f"Failed {why}"
        DbError.Denied(what) => f"Denied {what}"
        DbError.Locked => "Locked"
        DbError.Corrupt => "Corrupt"
"#;

/// SQL under a grant of the table `orders` of `shop.db`: none of it may give or change anything.
const REFUSED: &[&str] = &[
    "select * from users",
    "select secret from users",
    "select count(*) from users",
    "select 1 from users",
    "select * from main.users",
    "select * from \"users\"",
    "select * from [users]",
    "select * from `users`",
    "select * from 'users'",
    "select * from USERS",
    "select/**/*/**/from/**/users--",
    "select * from temp.users",
    "select * from aux.users",
    "select o.id, u.secret from orders o join users u on u.id = o.user",
    "select * from orders natural join users",
    "select * from orders, users",
    "select * from orders left join users on true",
    "select (select secret from users) from orders",
    "select * from orders where user = (select id from users where name = 'eve')",
    "select * from orders where exists (select 1 from users)",
    "select * from orders where user in (select id from users)",
    "select * from orders where user in users",
    "select * from orders order by (select secret from users)",
    "select * from orders limit (select length(secret) from users)",
    "select group_concat((select secret from users)) from orders",
    "with x as (select secret from users) select * from x",
    "with recursive x(s) as (select secret from users union select s from x) select * from x",
    "select item from orders union select secret from users",
    "select item from orders except select secret from users",
    "select * from (select * from users)",
    "select max(secret) over () from users",
    "select * from json_each((select secret from users))",
    "values ((select secret from users))",
    "select * from rich",
    "with orders as (select sql from sqlite_master) select * from orders",
    "with orders as (select secret from users) select * from orders",
    "with orders as (select name from pragma_table_list) select * from orders",
    "with orders as (select name from dbstat) select * from orders",
    "with orders as (select count(*) as n from sqlite_master) select n from orders",
    "with orders as (select 1 from pragma_table_list) select count(*) from orders",
    "with orders as (with orders as (select sql from sqlite_schema) select * from orders) select * from orders",
    "select * from (select sql from sqlite_master) as orders",
    "select (with orders as (select sql from sqlite_schema) select group_concat(sql) from orders)",
    "select * from sqlite_master as orders",
    "select orders.* from sqlite_master as orders, orders as o",
    "insert into orders(item) with orders as (select sql from sqlite_master) select sql from orders",
    "update orders set item = (with orders as (select sql from sqlite_master) select max(sql) from orders)",
    "select * from json_each('[1]')",
    "select * from sqlite_master",
    "select * from sqlite_schema",
    "select * from main.sqlite_master",
    "select * from sqlite_temp_master",
    "select * from sqlite_sequence",
    "select * from sqlite_stat1",
    "select * from dbstat",
    "select * from sqlite_dbpage",
    "select * from pragma_table_list",
    "select * from pragma_table_info('users')",
    "select * from pragma_database_list",
    "pragma table_info(users)",
    "pragma database_list",
    "pragma journal_mode = wal",
    "pragma writable_schema = 1",
    "pragma trusted_schema = 1",
    "pragma query_only = 0",
    "pragma foreign_keys = 0",
    "pragma temp_store_directory = '/tmp'",
    "pragma hard_heap_limit = 0",
    "attach database 'other.db' as other",
    "attach database ':memory:' as other",
    "attach database 'file:other.db?mode=rwc' as other",
    "detach database main",
    "vacuum",
    "vacuum into 'copy.db'",
    "reindex",
    "analyze",
    "select load_extension('./evil.so')",
    "select readfile('/etc/passwd')",
    "select writefile('made', 'x')",
    "select edit('x')",
    "select fts3_tokenizer('simple')",
    "select random() from orders",
    "select hex(randomblob(8))",
    "select date('now')",
    "select datetime('now')",
    "select strftime('%s', 'now')",
    "select julianday('now')",
    "select unixepoch()",
    "select current_timestamp",
    "select current_time",
    "select sqlite_version()",
    "select sqlite_source_id()",
    "select sqlite_compileoption_get(1)",
    "create table mine(a)",
    "create table mine as select * from users",
    "create temp table mine(a)",
    "create temp view mine as select * from users",
    "create view mine as select * from users",
    "create index mine on orders(user)",
    "create trigger mine after insert on orders begin delete from users; end",
    "create temp trigger mine after insert on orders begin delete from users; end",
    "create virtual table mine using fts5(x)",
    "create virtual table mine using rtree(id, a, b)",
    "drop table users",
    "drop table orders",
    "drop view rich",
    "alter table users rename to orders2",
    "alter table orders rename to mine",
    "alter table orders add column x",
    "insert into users values (9, 'x', 'y')",
    "insert into orders select 9, id, secret, 0 from users",
    "insert into orders values (9, 9, (select secret from users), 0)",
    "insert into orders values (1, 1, 'x', 0) on conflict(id) do update set item = (select secret from users)",
    "replace into users values (1, 'x', 'y')",
    "update users set secret = 'known'",
    "update orders set item = (select secret from users)",
    "update orders set item = u.secret from users u where u.id = orders.user",
    "delete from users",
    "delete from orders where user in (select id from users)",
    "delete from users returning secret",
    "insert into logged values ('x')",
    "begin",
    "begin exclusive",
    "commit",
    "rollback",
    "savepoint a",
    "release a",
    "select 1; drop table orders",
    "select $a('); drop table orders; --')",
    "select 1; select secret from users",
    ";select secret from users; delete from users",
    "explain select * from users",
    "explain query plan select * from users",
    "explain query plan select * from orders",
    "explain select * from orders",
    "select nope from users",
    "select users.secret from orders",
    "select * from ghosts",
    "select nope from ghosts",
    "select * from orders where (",
    "select 'open",
    "",
];

/// SQL under the same grant that is harmless, with what comes of it.
const HARMLESS: &[(&str, &str)] = &[
    (
        "select users.item from orders as users where id = 1",
        "1 rows",
    ),
    ("select 'users', 1 as secret", "1 rows"),
    (
        "select item from orders where item = 'x'' or 1=1 --'",
        "0 rows",
    ),
    ("select last_insert_rowid()", "1 rows"),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i from n",
        "5 rows",
    ),
    (
        "with users as (select item from orders) select count(*) from users",
        "1 rows [DbValue.Int(3)]",
    ),
    (
        "with sums(n) as (select sum(cents) from orders) select n from sums",
        "1 rows",
    ),
    (
        "select count(*) from (select distinct user from orders) as users",
        "1 rows",
    ),
    ("select 1 -- and a comment", "1 rows"),
];

fn shop(world: &World) -> Connection {
    let db = Connection::open(world.0.join("shop.db")).expect("database");
    db.execute_batch(&format!(
        "create table users(id integer primary key, name text, secret text);
         create table orders(id integer primary key autoincrement, user int, item text, cents int);
         create table log(line text);
         create table logged(line text);
         create index by_name on users(name);
         create view rich as select * from users;
         create trigger note after insert on logged begin insert into log values (new.line); end;
         insert into users values (1, 'ada', 'hers'), (2, 'eve', '{SECRET}');
         insert into orders(user, item, cents) values (1, 'tea', 450), (1, 'paper', 1200), (2, 'plans', 990000);
         analyze;"
    ))
    .expect("tables");
    db
}

/// Everything in the database.
fn dump(db: &Connection) -> String {
    let mut out = String::new();
    for sql in [
        "select name, sql, 0 from sqlite_schema order by name",
        "select id, name, secret from users",
        "select id, item, cents from orders",
        "select line, 0, 0 from log",
        "select line, 0, 0 from logged",
    ] {
        let mut find = db.prepare(sql).expect("query");
        let mut rows = find.query([]).expect("rows");
        while let Some(row) = rows.next().expect("row") {
            for i in 0..3 {
                match row.get_ref(i).expect("value") {
                    rusqlite::types::ValueRef::Text(text) => {
                        out.push_str(&String::from_utf8_lossy(text))
                    }
                    other => out.push_str(&format!("{other:?}")),
                }
                out.push(' ');
            }
            out.push('\n');
        }
    }
    out
}

#[test]
fn sql_reaches_no_other_table() {
    let world = World::new("sql");
    let db = shop(&world);
    let before = dump(&db);
    drop(db);
    world.write("try.jet", TRY);
    let mut args = vec!["try.jet", "--allow-db=shop.db:orders", "--"];
    args.extend(REFUSED);
    let ended = world.run(&args);
    let lines = ended.lines();
    assert_eq!(lines.len(), REFUSED.len(), "{}", ended.out);
    let mut attempts = Vec::new();
    for (sql, line) in REFUSED.iter().zip(&lines) {
        let (read, write) = line.split_once(" | ").expect("two answers");
        for answer in [read, write] {
            assert!(
                answer.starts_with("Failed ") || answer.starts_with("Denied "),
                "{sql}: {line}"
            );
        }
        assert!(!line.contains(SECRET), "{sql}: {line}");
        attempts.push(Attempt::new(*sql, if read == write { read } else { line }));
    }
    recorded("SQL that leads past a grant of one table", &attempts);
    // What is not granted answers as what is not there.
    let answer = |sql: &str| {
        let at = REFUSED
            .iter()
            .position(|s| *s == sql)
            .expect("it was tried");
        lines[at].replace("ghosts", "users")
    };
    assert_eq!(
        answer("select * from users"),
        answer("select * from ghosts")
    );
    assert_eq!(
        answer("select nope from users"),
        answer("select nope from ghosts")
    );

    let mut args = vec!["try.jet", "--allow-db=shop.db:orders", "--"];
    args.extend(HARMLESS.iter().map(|(sql, _)| sql));
    let ended = world.run(&args);
    let mut attempts = Vec::new();
    for ((sql, expected), line) in HARMLESS.iter().zip(ended.lines()) {
        assert!(line.starts_with(expected), "{sql}: {line}");
        assert!(!line.contains(SECRET), "{sql}: {line}");
        let (read, _) = line.split_once(" | ").expect("two answers");
        attempts.push(Attempt::new(*sql, read));
    }
    recorded("SQL that is harmless", &attempts);
    let after = dump(&Connection::open(world.0.join("shop.db")).expect("database"));
    assert_eq!(before, after);
    let mut names: Vec<_> = std::fs::read_dir(&world.0)
        .expect("folder")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .collect();
    names.sort();
    assert_eq!(names, ["shop.db", "try.jet"]);
}

#[test]
fn a_denied_table_and_a_read_only_grant() {
    let world = World::new("sql-deny");
    let before = dump(&shop(&world));
    world.write("try.jet", TRY);
    let tried = [
        "select * from users",
        "select * from rich",
        "select * from orders",
        "delete from orders",
        "create table mine(a)",
    ];
    let run = |flags: &[&str]| {
        let mut args = vec!["try.jet"];
        args.extend(flags);
        args.push("--");
        args.extend(tried);
        let ended = world.run(&args);
        ended
            .lines()
            .iter()
            .map(|l| (*l).to_owned())
            .collect::<Vec<_>>()
    };
    let lines = run(&[
        "--allow-db=shop.db",
        "--deny-db=users,rich",
        "--deny-db-write",
    ]);
    assert!(lines[0].starts_with("Denied table `users`"), "{lines:?}");
    assert!(lines[1].starts_with("Denied table `rich`"), "{lines:?}");
    assert!(lines[2].starts_with("3 rows"), "{lines:?}");
    assert!(lines[3].ends_with("Denied writing"), "{lines:?}");
    assert!(lines[4].ends_with("Denied writing"), "{lines:?}");
    // A granted view shows what it is made of, and nothing else of it.
    let lines = run(&["--allow-db=shop.db:rich", "--deny-db-write"]);
    assert!(lines[0].starts_with("Denied table `users`"), "{lines:?}");
    assert!(lines[1].starts_with("2 rows"), "{lines:?}");
    let after = dump(&Connection::open(world.0.join("shop.db")).expect("database"));
    assert_eq!(before, after);
    // Without the grant nothing runs; a denial of everything is no grant; a missing file is not made by a narrow grant.
    assert_eq!(world.run(&["try.jet"]).code, Some(3));
    assert_eq!(
        world
            .run(&["try.jet", "--allow-db=shop.db", "--deny-db"])
            .code,
        Some(3)
    );
    let missing = world.run(&["try.jet", "--allow-db=none.db:orders"]);
    assert_eq!(missing.code, Some(2), "{}", missing.err);
    assert!(!world.0.join("none.db").exists());
}

/// Statements that would not end, or not fit: SQL, flag, limit.
const BOMBS: &[(&str, &str, &str)] = &[
    (
        "select printf('%.*c', 20000000, 'a') like '%' || printf('%.*c', 900, 'a') || 'b'",
        "--max-time=300ms",
        "time",
    ),
    (
        "select printf('%.*c', 20000000, 'a') glob '*' || printf('%.*c', 900, 'a') || 'b'",
        "--max-time=300ms",
        "time",
    ),
    (
        "select printf('%.*c', 20000000, 'a') like '%' || printf('%.*c', 900, 'a') || 'b'",
        "--fuel=3000000",
        "fuel",
    ),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
        "--fuel=3000000",
        "fuel",
    ),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
        "--max-time=300ms",
        "time",
    ),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
        "--max-memory=8M",
        "memory",
    ),
    (
        "select hex(zeroblob(500000000))",
        "--max-memory=8M",
        "memory",
    ),
    (
        "select printf('%.*c', 900000000, 'x')",
        "--max-memory=8M",
        "memory",
    ),
    (
        "with recursive n(s) as (select 'x' union all select s || s from n) select max(length(s)) from n",
        "--max-memory=8M",
        "memory",
    ),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n order by -i",
        "--max-memory=16M",
        "memory",
    ),
    (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select group_concat(i) from n",
        "--max-time=2s",
        "time",
    ),
];

#[test]
fn statements_end_with_the_limits_of_the_program() {
    let world = World::new("sql-bombs");
    drop(shop(&world));
    world.write("try.jet", TRY);
    let mut attempts = Vec::new();
    for (sql, flag, limit) in BOMBS {
        let start = Instant::now();
        let ended = world.run(&["try.jet", "--allow-db=shop.db", flag, "--", sql]);
        assert_eq!(ended.code, Some(4), "{sql}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(limit), "{sql} ends with\n{}", ended.err);
        assert!(start.elapsed() < Duration::from_secs(90), "{sql}");
        attempts.push(Attempt::new(*sql, format!("{flag}: {}", stopped(&ended))));
    }
    recorded("SQL without an end", &attempts);
    let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
    let many = vec!["select 1"; 5000].join(" union all ");
    let statements = "select 1;".repeat(10_000);
    let places = format!("select {}", vec!["?"; 40_000].join(","));
    let long = format!("select '{}'", "x".repeat(110_000));
    for sql in [&deep, &many, &statements, &places, &long] {
        let ended = world.run(&["try.jet", "--allow-db=shop.db:orders", "--", sql]);
        assert!(ended.lines()[0].starts_with("Failed "), "{}", ended.out);
    }
}

#[test]
fn the_same_statement_costs_the_same_fuel() {
    let world = World::new("sql-fuel");
    drop(shop(&world));
    world.write("try.jet", TRY);
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) select count(*) from n";
    let fuel = || {
        let ended = world.run(&[
            "try.jet",
            "--allow-db=shop.db",
            "--stats=json",
            "--seed=1",
            "--",
            sql,
        ]);
        let at = ended.err.find("\"fuel\":").expect("statistics");
        let digits: String = ended.err[at + 7..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().expect("a number")
    };
    let first = fuel();
    assert_eq!(first, fuel());
    assert!(first > 500_000, "{first} for 50,000 rows");
}

/// A program that goes on after each failure.
const FAULTS: &str = r#"
fn main(args: [string]) uses Console + Database:
    for sql in ["select count(*) as n from orders", "insert into orders(user, item, cents) values (1, 'pen', 5)"]:
        Console.print(tried(sql))
    Console.print("goes on")

fn tried(sql: string) -> string uses Database:
    let done = if sql.starts_with("select"): Database.query(sql, []).map(fn(rows) => rows.len()) else: Database.execute(sql, [])
    return match done:
        Ok(n) => f"ok {n}"
        Err(DbError.Locked) => "Locked"
        Err(DbError.Corrupt) => "Corrupt"
        Err(DbError.Denied(what)) => f"Denied {what}"
        Err(DbError.Failed(why)) => f"Failed {why}"
"#;

#[test]
fn locked_and_corrupt_databases_are_typed_errors() {
    let world = World::new("sql-faults");
    let db = shop(&world);
    world.write("faults.jet", FAULTS);
    let run = |flag: &str| {
        let ended = world.run(&["faults.jet", flag]);
        ended
            .lines()
            .iter()
            .map(|l| (*l).to_owned())
            .collect::<Vec<_>>()
    };
    db.execute_batch("begin exclusive").expect("lock");
    assert_eq!(run("--allow-db=shop.db"), ["Locked", "Locked", "goes on"]);
    assert_eq!(
        run("--allow-db=shop.db:orders"),
        ["Locked", "Locked", "goes on"]
    );
    db.execute_batch("rollback").expect("unlock");
    drop(db);
    assert_eq!(
        run("--allow-db=shop.db:orders"),
        ["ok 1", "ok 1", "goes on"]
    );

    world.write("garbage.db", &"no database at all ".repeat(1000));
    assert_eq!(
        run("--allow-db=garbage.db"),
        ["Corrupt", "Corrupt", "goes on"]
    );
    assert_eq!(
        run("--allow-db=garbage.db:orders"),
        ["Corrupt", "Corrupt", "goes on"]
    );
    // The head is whole, the pages behind it are not.
    let mut bytes = std::fs::read(world.0.join("shop.db")).expect("database");
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xa5;
    }
    std::fs::write(world.0.join("broken.db"), &bytes).expect("damaged");
    let lines = run("--allow-db=broken.db");
    assert_eq!(lines[2], "goes on");
    assert!(lines[..2].iter().all(|l| l == "Corrupt"), "{lines:?}");
    std::fs::write(world.0.join("half.db"), &bytes[..4096]).expect("cut off");
    let lines = run("--allow-db=half.db:orders");
    assert!(lines[..2].iter().all(|l| l == "Corrupt"), "{lines:?}");
}

#[test]
fn what_is_not_committed_is_not_there() {
    let world = World::new("sql-transactions");
    let before = dump(&shop(&world));
    world.write(
        "half.jet",
        r#"
fn main(args: [string]) uses Console + Database ! DbError:
    Database.begin()?
    Database.execute("insert into orders(user, item, cents) values (?, ?, ?)", [DbValue.Int(1), DbValue.Text("x'); drop table orders; --"), DbValue.Null])?
    match args[0]:
        "trap" => panic("half way")
        "rollback" => Database.rollback()?
        "commit" => Database.commit()?
        _ => pass
    Console.print("done")
"#,
    );
    let now = || dump(&Connection::open(world.0.join("shop.db")).expect("database"));
    for how in ["trap", "nothing", "rollback"] {
        world.run(&["half.jet", "--allow-db=shop.db", "--", how]);
        assert_eq!(now(), before, "{how}");
    }
    let ended = world.run(&["half.jet", "--allow-db=shop.db:orders", "--", "commit"]);
    assert_eq!(ended.lines(), ["done"]);
    assert!(now().contains("drop table orders; --"), "{}", now());
}
