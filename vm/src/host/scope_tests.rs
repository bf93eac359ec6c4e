//! What the file capabilities reach and what they do not: through `..`, absolute paths, links made
//! before and during the run, renames, devices and denials.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::file_read::FileRead;
use super::file_write::FileWrite;
use super::grants::PathGrant;
use super::scope::Scope;
use super::{
    HostAnswer, HostCapability, HostCx, HostFailure, HostTrap, HostUsage, HostValue, LimitKind,
    Limits,
};

/// A directory of its own for a test: `in/` is granted, `out/` is not.
struct World {
    root: PathBuf,
}

impl World {
    fn new() -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "jet-scope-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("in/sub")).unwrap();
        fs::create_dir_all(root.join("out")).unwrap();
        let root = root.canonicalize().unwrap();
        fs::write(root.join("in/a.txt"), "inside").unwrap();
        fs::write(root.join("in/sub/b.txt"), "below").unwrap();
        fs::write(root.join("out/secret.txt"), "secret").unwrap();
        World { root }
    }

    fn scope(&self, allow: &[&str], deny: &[&str]) -> Arc<Scope> {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        let grant = PathGrant {
            allow: Some(paths(allow)),
            deny: paths(deny),
        };
        Arc::new(Scope::open(&grant, &self.root).unwrap())
    }

    fn read(&self, allow: &[&str], deny: &[&str]) -> Files {
        Files(Box::new(FileRead::new(self.scope(allow, deny))))
    }

    fn write(&self, allow: &[&str], deny: &[&str]) -> Files {
        Files(Box::new(FileWrite::new(self.scope(allow, deny), None)))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

struct Files(Box<dyn HostCapability>);

/// `ok`, the text that was read, the error variant's name, or `trap`.
fn told(answer: Result<HostValue, HostFailure>) -> String {
    match answer {
        Ok(HostValue::Str(text)) => text.to_string(),
        Ok(HostValue::Bytes(bytes)) => String::from_utf8(bytes).unwrap(),
        Ok(HostValue::Unit) => "ok".into(),
        Ok(other) => format!("{other:?}"),
        Err(HostFailure::Error { variant, .. }) => super::io_error::IO_ERROR.variants
            [usize::from(variant)]
        .name
        .into(),
        Err(HostFailure::Trap(kind, why)) => format!("trap {kind:?} {why}"),
    }
}

impl Files {
    fn raw(
        &mut self,
        name: &str,
        args: &[HostValue],
        memory: u64,
    ) -> Result<HostValue, HostFailure> {
        let (limits, mut usage) = (
            Limits {
                output: 100,
                ..Limits::default()
            },
            HostUsage::default(),
        );
        let mut cx = HostCx::new(&limits, &mut usage, memory, None);
        let method = self
            .0
            .methods()
            .iter()
            .position(|m| m.name == name)
            .unwrap();
        let answer = match self.0.call(method, args, &mut cx) {
            HostAnswer::Now(answer) => answer,
            HostAnswer::Later(_) => panic!("file calls answer now"),
        };
        let declared = &self.0.methods()[method];
        match &answer {
            Ok(value) => assert!(value.fits(&declared.ret), "{value:?}"),
            Err(HostFailure::Error {
                error,
                variant,
                payload,
            }) => {
                let declared = declared.errors.iter().find(|e| e.name == *error).unwrap();
                let variant = &declared.variants[usize::from(*variant)];
                assert!(super::value::fits_fields(payload, variant.fields));
            }
            Err(HostFailure::Trap(..)) => {}
        }
        answer
    }

    /// See [`told`].
    fn call(&mut self, name: &str, args: &[&str]) -> String {
        let args: Vec<HostValue> = args.iter().map(|text| HostValue::str(text)).collect();
        told(self.raw(name, &args, 1 << 20))
    }

    fn text(&mut self, path: &str) -> String {
        self.call("read_text", &[path])
    }
}

#[test]
fn paths_lead_into_the_grant_only() {
    let world = World::new();
    let mut files = world.read(&["in"], &[]);
    let absolute = |name: &str| world.root.join(name).display().to_string();
    assert_eq!(files.text("in/a.txt"), "inside");
    assert_eq!(files.text("./in//sub/../a.txt"), "inside");
    assert_eq!(files.text("out/../in/a.txt"), "inside");
    assert_eq!(files.text(&absolute("in/sub/b.txt")), "below");
    assert_eq!(files.text("in/none.txt"), "NotFound");
    for path in [
        "out/secret.txt",
        "in/../out/secret.txt",
        "in/../../../../../../../etc/passwd",
        "../",
        ".",
        "/",
        "/etc/passwd",
        "/proc/self/environ",
        "in/../out/none",
        "inx",
        &absolute("out/secret.txt"),
        &absolute("in/sub/../../out/secret.txt"),
    ] {
        assert_eq!(files.text(path), "Denied", "{path}");
    }
    assert_eq!(files.text(""), "Invalid");
    assert_eq!(files.text("in/a\0b"), "Invalid");
    assert_eq!(files.text("in"), "Invalid");
    assert_eq!(files.text("in/a.txt/"), "Invalid");
    assert_eq!(files.text("in/a.txt/x"), "Invalid");
    assert_eq!(files.text(&format!("in/{}", "x".repeat(5000))), "Invalid");
    assert_eq!(
        files.text(&format!("in/{}", "sub/../".repeat(5000))),
        "Invalid"
    );
}

#[test]
fn links_do_not_leave_the_grant() {
    let world = World::new();
    let inside = world.root.join("in");
    symlink("../out/secret.txt", inside.join("up")).unwrap();
    symlink(world.root.join("out/secret.txt"), inside.join("absolute")).unwrap();
    symlink("../out", inside.join("dir")).unwrap();
    symlink("/", inside.join("root")).unwrap();
    symlink("a.txt", inside.join("good")).unwrap();
    symlink(inside.join("sub"), inside.join("good_dir")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    symlink("missing", inside.join("dangling")).unwrap();
    let mut files = world.read(&["in"], &[]);
    assert_eq!(files.text("in/good"), "inside");
    assert_eq!(files.text("in/good_dir/b.txt"), "below");
    for path in [
        "in/up",
        "in/absolute",
        "in/dir/secret.txt",
        "in/dir/none",
        "in/root/etc/passwd",
    ] {
        assert_eq!(files.text(path), "Denied", "{path}");
    }
    assert_eq!(files.call("list", &["in/dir"]), "Denied");
    assert_eq!(files.call("stat", &["in/up"]), "Denied");
    assert_eq!(files.text("in/loop"), "Invalid");
    assert_eq!(files.text("in/dangling"), "NotFound");
    // Made during the run.
    symlink("../../out", inside.join("sub/late")).unwrap();
    assert_eq!(files.text("in/sub/late/secret.txt"), "Denied");
    fs::remove_file(inside.join("a.txt")).unwrap();
    symlink("../out/secret.txt", inside.join("a.txt")).unwrap();
    assert_eq!(files.text("in/a.txt"), "Denied");

    let mut files = world.write(&["in"], &[]);
    assert_eq!(files.call("write_text", &["in/up", "x"]), "Denied");
    assert_eq!(files.call("append_text", &["in/absolute", "x"]), "Denied");
    assert_eq!(files.call("write_text", &["in/dir/new", "x"]), "Denied");
    assert_eq!(files.call("remove", &["in/dir/secret.txt"]), "Denied");
    assert_eq!(
        files.call("rename", &["in/dir/secret.txt", "in/x"]),
        "Denied"
    );
    assert_eq!(
        files.call("rename", &["in/sub/b.txt", "in/dir/x"]),
        "Denied"
    );
    assert_eq!(files.call("create_dir", &["in/dir/x"]), "Denied");
    assert_eq!(files.call("write_text", &["in/dangling", "made"]), "ok");
    assert_eq!(fs::read_to_string(inside.join("missing")).unwrap(), "made");
    // The link itself may go.
    assert_eq!(files.call("remove", &["in/up"]), "ok");
    assert_eq!(
        fs::read_to_string(world.root.join("out/secret.txt")).unwrap(),
        "secret"
    );
    assert!(!world.root.join("out/x").exists());
}

#[test]
fn a_directory_that_turns_into_a_link_while_it_is_read_never_shows_what_is_outside() {
    let world = World::new();
    let (inside, stop) = (world.root.join("in"), Arc::new(AtomicBool::new(false)));
    fs::write(inside.join("sub/secret.txt"), "harmless").unwrap();
    let flipper = {
        let (inside, stop) = (inside.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(inside.join("sub"), inside.join("aside")).unwrap();
                symlink("../out", inside.join("sub")).unwrap();
                fs::remove_file(inside.join("sub")).unwrap();
                fs::rename(inside.join("aside"), inside.join("sub")).unwrap();
            }
        })
    };
    let mut files = world.read(&["in"], &[]);
    for _ in 0..3000 {
        let text = files.text("in/sub/secret.txt");
        assert!(
            ["harmless", "Denied", "NotFound", "Invalid"].contains(&text.as_str()),
            "{text}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    flipper.join().unwrap();
}

#[test]
fn a_grant_may_be_one_file_or_not_exist_yet() {
    let world = World::new();
    let mut files = world.read(&["in/a.txt", "later/deep"], &[]);
    assert_eq!(files.text("in/a.txt"), "inside");
    assert_eq!(files.text("in/sub/b.txt"), "Denied");
    assert_eq!(files.text("in"), "Denied");
    assert_eq!(files.text("later/deep/x"), "NotFound");
    assert_eq!(files.text("later/x"), "Denied");
    fs::create_dir_all(world.root.join("later/deep")).unwrap();
    fs::write(world.root.join("later/deep/x"), "now").unwrap();
    assert_eq!(files.text("later/deep/x"), "now");
    let mut files = world.write(&["in/new.txt"], &[]);
    assert_eq!(files.call("write_text", &["in/new.txt", "1"]), "ok");
    assert_eq!(files.call("append_text", &["in/new.txt", "2"]), "ok");
    assert_eq!(
        fs::read_to_string(world.root.join("in/new.txt")).unwrap(),
        "12"
    );
    assert_eq!(files.call("write_text", &["in/other.txt", "1"]), "Denied");
}

#[test]
fn denials_win_under_every_name() {
    let world = World::new();
    let inside = world.root.join("in");
    fs::write(inside.join("key"), "private").unwrap();
    fs::hard_link(inside.join("key"), inside.join("other_name")).unwrap();
    symlink("key", inside.join("link")).unwrap();
    symlink("sub", inside.join("sub_link")).unwrap();
    let mut files = world.read(&["in"], &["in/key", "in/sub", "in/absent/file"]);
    for path in [
        "in/key",
        "in/link",
        "in/other_name",
        "in/sub/b.txt",
        "in/sub_link/b.txt",
        "in/absent/file",
    ] {
        assert_eq!(files.text(path), "Denied", "{path}");
    }
    assert_eq!(files.call("list", &["in/sub"]), "Denied");
    assert_eq!(files.text("in/a.txt"), "inside");
    fs::rename(inside.join("sub"), inside.join("moved")).unwrap();
    assert_eq!(files.text("in/moved/b.txt"), "Denied");
    fs::create_dir(inside.join("absent")).unwrap();
    fs::write(inside.join("absent/file"), "x").unwrap();
    fs::write(inside.join("absent/free"), "free").unwrap();
    symlink("absent", inside.join("absent_link")).unwrap();
    assert_eq!(files.text("in/absent/file"), "Denied");
    assert_eq!(files.text("in/absent_link/file"), "Denied");
    assert_eq!(files.text("in/absent/free"), "free");

    // A grant that leads into what is denied, under another name.
    symlink("moved", inside.join("detour")).unwrap();
    let mut files = world.read(&["in/detour", "in/link"], &["in/moved", "in/key"]);
    for path in ["in/detour/b.txt", "in/detour", "in/link"] {
        assert_eq!(files.text(path), "Denied", "{path}");
    }

    let everything = PathGrant {
        allow: None,
        deny: vec![world.root.join("out")],
    };
    let scope = Arc::new(Scope::open(&everything, &world.root).unwrap());
    let mut files = Files(Box::new(FileRead::new(scope)));
    assert_eq!(files.text("in/a.txt"), "inside");
    assert_eq!(files.text("out/secret.txt"), "Denied");
    symlink(world.root.join("out"), inside.join("door")).unwrap();
    assert_eq!(files.text("in/door/secret.txt"), "Denied");
    for path in [
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/proc/self/mem",
        "/dev/stdin",
    ] {
        assert!(
            ["Denied", "NotFound"].contains(&files.text(path).as_str()),
            "{path}"
        );
    }
    assert_eq!(files.text("/dev/zero"), "Invalid");
}

#[test]
fn only_regular_files_are_opened() {
    let world = World::new();
    let fifo = world.root.join("in/fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let socket = std::os::unix::net::UnixListener::bind(world.root.join("in/socket")).unwrap();
    let mut files = world.read(&["in"], &[]);
    for path in ["in/fifo", "in/socket"] {
        assert_eq!(files.text(path), "Invalid", "{path}");
        assert_eq!(files.call("open", &[path]), "Invalid", "{path}");
    }
    let mut files = world.write(&["in"], &[]);
    assert_eq!(files.call("write_text", &["in/fifo", "x"]), "Invalid");
    drop(socket);
}

#[test]
fn sizes_are_bounded_and_bytes_are_checked() {
    let world = World::new();
    fs::write(world.root.join("in/big"), vec![b'x'; 5000]).unwrap();
    fs::write(world.root.join("in/binary"), [0x61, 0xff]).unwrap();
    let huge = fs::File::create(world.root.join("in/sparse")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let mut files = world.read(&["in"], &[]);
    let limit = HostTrap::Limit(LimitKind::Memory);
    for path in ["in/big", "in/sparse"] {
        let answer = files.raw("read_bytes", &[HostValue::str(path)], 4096);
        assert!(
            matches!(answer, Err(HostFailure::Trap(kind, _)) if kind == limit),
            "{answer:?}"
        );
    }
    assert_eq!(files.text("in/binary"), "Invalid");
    let answer = files.raw("read_bytes", &[HostValue::str("in/binary")], 4096);
    assert_eq!(answer, Ok(HostValue::Bytes(vec![0x61, 0xff])));
    let mut files = world.write(&["in"], &[]);
    let flood = "x".repeat(101);
    assert!(
        files
            .call("write_text", &["in/a.txt", &flood])
            .starts_with("trap Limit(Output)")
    );
    assert_eq!(
        fs::read_to_string(world.root.join("in/a.txt")).unwrap(),
        "inside"
    );
}

#[test]
fn handles_read_in_pieces_and_end() {
    let world = World::new();
    let mut files = world.read(&["in"], &[]);
    let file = files
        .raw("open", &[HostValue::str("in/a.txt")], 4096)
        .unwrap();
    let mut piece = |count| files.raw("read", &[file.clone(), HostValue::Int(count)], 4096);
    assert_eq!(piece(4), Ok(HostValue::Bytes(b"insi".to_vec())));
    assert_eq!(piece(i64::MAX), Ok(HostValue::Bytes(b"de".to_vec())));
    assert_eq!(piece(4), Ok(HostValue::Bytes(vec![])));
    assert!(matches!(
        piece(-1),
        Err(HostFailure::Trap(HostTrap::BadArgument, _))
    ));
    assert_eq!(
        files.raw("close", std::slice::from_ref(&file), 0),
        Ok(HostValue::Unit)
    );
    for (name, args) in [
        ("close", vec![file.clone()]),
        ("read", vec![file.clone(), HostValue::Int(1)]),
    ] {
        assert!(matches!(
            files.raw(name, &args, 0),
            Err(HostFailure::Trap(HostTrap::BadHandle, _))
        ));
    }
}

#[test]
fn listings_and_stat() {
    let world = World::new();
    symlink("sub", world.root.join("in/z")).unwrap();
    symlink("../out", world.root.join("in/y")).unwrap();
    let mut files = world.read(&["in"], &[]);
    let entry =
        |name: &str, is_dir| HostValue::Record(vec![HostValue::str(name), HostValue::Bool(is_dir)]);
    let listed = files.raw("list", &[HostValue::str("in/")], 4096).unwrap();
    let expected = vec![
        entry("a.txt", false),
        entry("sub", true),
        entry("y", false),
        entry("z", true),
    ];
    assert_eq!(listed, HostValue::List(expected));
    assert_eq!(files.call("list", &["in/a.txt"]), "Invalid");
    let stat = |size, is_dir| {
        Ok(HostValue::Record(vec![
            HostValue::Int(size),
            HostValue::Bool(is_dir),
        ]))
    };
    assert_eq!(
        files.raw("stat", &[HostValue::str("in/a.txt")], 4096),
        stat(6, false)
    );
    assert_eq!(
        files.raw("stat", &[HostValue::str("in/z")], 4096),
        stat(0, true)
    );
}

#[test]
fn changes_inside_the_grant() {
    let world = World::new();
    let mut files = world.write(&["in"], &[]);
    assert_eq!(files.call("create_dir", &["in/new"]), "ok");
    assert_eq!(files.call("create_dir", &["in/new"]), "Exists");
    assert_eq!(files.call("create_dir", &["in/x/y"]), "NotFound");
    assert_eq!(files.call("write_text", &["in/new/f", "long text"]), "ok");
    assert_eq!(files.call("write_text", &["in/new/f", "short"]), "ok");
    assert_eq!(
        fs::read_to_string(world.root.join("in/new/f")).unwrap(),
        "short"
    );
    assert_eq!(files.call("write_text", &["in/new/g/", "x"]), "Invalid");
    assert_eq!(files.call("write_text", &["in/new", "x"]), "Invalid");
    assert_eq!(files.call("remove", &["in/new"]), "Invalid");
    assert_eq!(files.call("rename", &["in/new/f", "in/g"]), "ok");
    assert_eq!(files.call("rename", &["in/new/f", "in/h"]), "NotFound");
    assert_eq!(files.call("remove", &["in/new/"]), "ok");
    assert_eq!(files.call("remove", &["in/none"]), "NotFound");
    assert_eq!(files.call("remove", &["in"]), "Denied");
    assert_eq!(files.call("rename", &["in", "in/sub/x"]), "Denied");
    assert_eq!(files.call("rename", &["in/g", "out/g"]), "Denied");
    assert_eq!(files.call("rename", &["out/secret.txt", "in/s"]), "Denied");
}

#[test]
fn a_rename_shows_nothing_that_was_not_readable() {
    let world = World::new();
    let view = world.scope(&["in"], &["in/sub"]);
    let scope = world.scope(&["in", "out"], &[]);
    let mut files = Files(Box::new(FileWrite::new(scope, Some(view))));
    assert_eq!(
        files.call("rename", &["out/secret.txt", "in/shown"]),
        "Denied"
    );
    assert_eq!(
        files.call("rename", &["in/sub/b.txt", "in/shown"]),
        "Denied"
    );
    assert_eq!(
        files.call("rename", &["out/secret.txt", "out/renamed"]),
        "ok"
    );
    assert_eq!(files.call("rename", &["in/a.txt", "out/a.txt"]), "ok");
    assert!(Path::new(&world.root).join("in/sub/b.txt").exists());
}

#[test]
fn a_file_is_replaced_whole() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let world = World::new();
    let path = world.root.join("in/a.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    // A name outside of the grant for the same file keeps the old content.
    fs::hard_link(&path, world.root.join("out/same")).unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let mut files = world.write(&["in"], &[]);
    assert_eq!(files.call("write_text", &["in/a.txt", "new"]), "ok");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    let meta = fs::metadata(&path).unwrap();
    assert_ne!(meta.ino(), inode);
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    let mut old = String::new();
    std::io::Read::read_to_string(&mut reader, &mut old).unwrap();
    assert_eq!(old, "inside");
    assert_eq!(
        fs::read_to_string(world.root.join("out/same")).unwrap(),
        "inside"
    );
    // Through a link the file that it leads to is replaced, and the link stays.
    symlink("a.txt", world.root.join("in/link")).unwrap();
    assert_eq!(files.call("write_text", &["in/link", "newer"]), "ok");
    assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
    assert!(
        fs::symlink_metadata(world.root.join("in/link"))
            .unwrap()
            .is_symlink()
    );
    let names: Vec<_> = fs::read_dir(world.root.join("in"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn permission_that_is_lost_midway_is_a_typed_error() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let mut files = world.write(&["in"], &[]);
    assert_eq!(files.call("write_text", &["in/a.txt", "one"]), "ok");
    let mode = |path: &str, mode| {
        fs::set_permissions(world.root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("in", 0o500);
    let written = files.call("write_text", &["in/a.txt", "two"]);
    let made = files.call("create_dir", &["in/x"]);
    mode("in", 0o700);
    // The superuser is refused nothing.
    let root =
        fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let expected = if root {
        ["ok", "ok"]
    } else {
        ["Denied", "Denied"]
    };
    assert_eq!([written.as_str(), made.as_str()], expected);
    let content = fs::read_to_string(world.root.join("in/a.txt")).unwrap();
    assert_eq!(content, if root { "two" } else { "one" });
    // The directory goes away under the grant.
    fs::remove_dir_all(world.root.join("in")).unwrap();
    assert_eq!(files.call("write_text", &["in/a.txt", "three"]), "NotFound");
    assert_eq!(
        files.call("append_text", &["in/a.txt", "three"]),
        "NotFound"
    );
}

impl Files {
    /// A directory, held open.
    fn dir(&mut self, path: &str) -> HostValue {
        self.raw("open_dir", &[HostValue::str(path)], 4096).unwrap()
    }

    /// The text of a file below a directory that is held open, or the error variant's name.
    fn text_at(&mut self, dir: &HostValue, path: &str) -> String {
        let args = [dir.clone(), HostValue::str(path)];
        let file = match self.raw("open_at", &args, 4096) {
            Ok(file) => file,
            failed => return told(failed),
        };
        let read = self.raw("read", &[file.clone(), HostValue::Int(i64::MAX)], 4096);
        self.raw("close", &[file], 4096).unwrap();
        told(read)
    }
}

#[test]
fn paths_do_not_leave_a_directory_that_is_held() {
    let world = World::new();
    let sub = world.root.join("in/sub");
    fs::create_dir(sub.join("deep")).unwrap();
    fs::write(sub.join("deep/c.txt"), "deep").unwrap();
    symlink("../a.txt", sub.join("up")).unwrap();
    symlink("..", sub.join("parent")).unwrap();
    symlink(world.root.join("in/a.txt"), sub.join("absolute")).unwrap();
    symlink("deep/c.txt", sub.join("good")).unwrap();
    symlink(sub.join("b.txt"), sub.join("good_absolute")).unwrap();
    let mut files = world.read(&["in"], &[]);
    let dir = files.dir("in/sub");
    assert_eq!(files.text_at(&dir, "b.txt"), "below");
    assert_eq!(files.text_at(&dir, "./deep/../b.txt"), "below");
    assert_eq!(files.text_at(&dir, "good"), "deep");
    assert_eq!(files.text_at(&dir, "good_absolute"), "below");
    assert_eq!(files.text_at(&dir, "none"), "NotFound");
    let absolute = |name: &str| world.root.join(name).display().to_string();
    for path in [
        "..",
        "../a.txt",
        "deep/../../a.txt",
        "../sub/../a.txt",
        "up",
        "parent/a.txt",
        "absolute",
        "/etc/passwd",
        &absolute("in/a.txt"),
        // Where the directory lies is not the program's to ask.
        &absolute("in/sub/b.txt"),
    ] {
        assert_eq!(files.text_at(&dir, path), "Denied", "{path}");
    }
    let deep = [dir.clone(), HostValue::str("deep")];
    let deep = files.raw("open_dir_at", &deep, 4096).unwrap();
    assert_eq!(files.text_at(&deep, "c.txt"), "deep");
    assert_eq!(files.text_at(&deep, "../b.txt"), "Denied");
    let own = [deep.clone(), HostValue::str(".")];
    let entry = HostValue::Record(vec![HostValue::str("c.txt"), HostValue::Bool(false)]);
    assert_eq!(
        files.raw("list_at", &own, 4096),
        Ok(HostValue::List(vec![entry]))
    );
    let stat = HostValue::Record(vec![HostValue::Int(0), HostValue::Bool(true)]);
    assert_eq!(files.raw("stat_at", &own, 4096), Ok(stat));
    assert_eq!(files.call("open_dir", &["in/a.txt"]), "Invalid");
    assert_eq!(files.call("open_dir", &["out"]), "Denied");
    assert_eq!(files.call("open_dir", &["in/none"]), "NotFound");

    // What is closed stays closed, and closes nothing that was opened in it.
    let closed = std::slice::from_ref(&dir);
    assert_eq!(files.raw("close_dir", closed, 0), Ok(HostValue::Unit));
    assert_eq!(files.text_at(&deep, "c.txt"), "deep");
    for (name, args) in [
        ("close_dir", vec![dir.clone()]),
        ("open_at", vec![dir.clone(), HostValue::str("b.txt")]),
        ("list_at", vec![dir.clone(), HostValue::str(".")]),
    ] {
        assert!(matches!(
            files.raw(name, &args, 4096),
            Err(HostFailure::Trap(HostTrap::BadHandle, _))
        ));
    }
}

#[test]
fn a_directory_that_is_held_is_itself_and_not_its_path() {
    let world = World::new();
    let inside = world.root.join("in");
    fs::write(world.root.join("out/b.txt"), "secret").unwrap();
    let mut files = world.read(&["in"], &[]);
    let dir = files.dir("in/sub");
    fs::rename(inside.join("sub"), inside.join("moved")).unwrap();
    symlink("../out", inside.join("sub")).unwrap();
    assert_eq!(files.text_at(&dir, "b.txt"), "below");
    assert_eq!(files.text("in/sub/b.txt"), "Denied");
    fs::remove_dir_all(inside.join("moved")).unwrap();
    assert_eq!(files.text_at(&dir, "b.txt"), "NotFound");
}

#[test]
fn denials_hold_in_a_directory_that_is_held() {
    let world = World::new();
    let inside = world.root.join("in");
    fs::write(inside.join("sub/key"), "private").unwrap();
    fs::hard_link(inside.join("sub/key"), inside.join("sub/other_name")).unwrap();
    let denied = ["in/sub/key", "in/sub/absent/file", "in/sub/replaced"];
    fs::write(inside.join("sub/replaced"), "private").unwrap();
    let mut files = world.read(&["in"], &denied);
    let dir = files.dir("in/sub");
    fs::remove_file(inside.join("sub/replaced")).unwrap();
    fs::write(inside.join("sub/replaced"), "private again").unwrap();
    fs::create_dir(inside.join("sub/absent")).unwrap();
    fs::write(inside.join("sub/absent/file"), "private").unwrap();
    for path in ["key", "other_name", "absent/file", "replaced"] {
        assert_eq!(files.text_at(&dir, path), "Denied", "{path}");
    }
    let absent = files.dir("in/sub/absent");
    assert_eq!(files.text_at(&absent, "file"), "Denied");
    // The directory under another name: what was denied in it is denied by where it stands.
    fs::rename(inside.join("sub/absent"), inside.join("sub/free")).unwrap();
    assert_eq!(files.text_at(&absent, "file"), "Denied");
    assert_eq!(files.text_at(&dir, "b.txt"), "below");
}

#[test]
fn what_comes_after_a_denied_file_is_not_taken_for_it() {
    let world = World::new();
    let inside = world.root.join("in");
    fs::write(inside.join("key"), "private").unwrap();
    let mut files = world.read(&["in"], &["in/key"]);
    fs::remove_file(inside.join("key")).unwrap();
    // Many file systems give the next file the number of the one that is gone.
    for n in 0..20 {
        let name = format!("next{n}");
        fs::write(inside.join(&name), "public").unwrap();
        assert_eq!(files.text(&format!("in/{name}")), "public");
    }
}

#[test]
fn open_directories_are_counted() {
    let world = World::new();
    let mut reader = FileRead::new(world.scope(&["in"], &[]));
    let limits = Limits {
        handles: 2,
        ..Limits::default()
    };
    let mut usage = HostUsage::default();
    let mut ask = |name: &str, args: &[HostValue]| {
        let method = reader.methods().iter().position(|m| m.name == name);
        let mut cx = HostCx::new(&limits, &mut usage, 4096, None);
        match reader.call(method.unwrap(), args, &mut cx) {
            HostAnswer::Now(answer) => answer,
            HostAnswer::Later(_) => panic!("file calls answer now"),
        }
    };
    let path = [HostValue::str("in/sub")];
    let dir = ask("open_dir", &path).unwrap();
    ask("open_at", &[dir.clone(), HostValue::str("b.txt")]).unwrap();
    let limit = HostTrap::Limit(LimitKind::Handles);
    for _ in 0..2 {
        assert!(matches!(
            ask("open_dir", &path),
            Err(HostFailure::Trap(kind, _)) if kind == limit
        ));
    }
    assert_eq!(ask("close_dir", &[dir]), Ok(HostValue::Unit));
    assert!(ask("open_dir", &path).is_ok());
}
