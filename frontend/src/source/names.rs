//! Interned names: a `Symbol` stands for one text, equal symbols for equal texts.
//!
//! Names that the frontend itself mentions are interned first, in the order of the table below, so
//! that `sym::int` and its kin are constants.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// An interned name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

macro_rules! symbols {
    ($($name:ident = $text:literal),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Order { $($name),* }

        /// Names known to the frontend.
        #[allow(non_upper_case_globals, missing_docs)]
        pub mod sym {
            use super::{Order, Symbol};
            $(pub const $name: Symbol = Symbol(Order::$name as u32);)*
        }

        const KNOWN: &[&str] = &[$($text),*];
    };
}

symbols! {
    empty = "",
    underscore = "_",
    self_ = "self",
    Self_ = "Self",
    int = "int",
    float = "float",
    bool_ = "bool",
    char_ = "char",
    byte = "byte",
    string = "string",
    Map = "Map",
    Set = "Set",
    List = "List",
    Option_ = "Option",
    Result_ = "Result",
    Some_ = "Some",
    None_ = "None",
    Ok_ = "Ok",
    Err_ = "Err",
    Ordering = "Ordering",
    Less = "Less",
    Equal = "Equal",
    Greater = "Greater",
    Show = "Show",
    Eq = "Eq",
    Ord = "Ord",
    Hash = "Hash",
    Json = "Json",
    StringBuilder = "StringBuilder",
    Range = "Range",
    Sender = "Sender",
    Receiver = "Receiver",
    Task = "Task",
    TaskError = "TaskError",
    channel = "channel",
    Console = "Console",
    FileRead = "FileRead",
    FileWrite = "FileWrite",
    Net = "Net",
    Listen = "Listen",
    Env = "Env",
    Process = "Process",
    Clock = "Clock",
    Timer = "Timer",
    Entropy = "Entropy",
    Database = "Database",
    Tasks = "Tasks",
    Plugins = "Plugins",
    Ffi = "Ffi",
    IoError = "IoError",
    min = "min",
    max = "max",
    same = "same",
    panic = "panic",
    assert = "assert",
    dbg = "dbg",
    main = "main",
    std = "std",
    prelude = "prelude",
    show = "show",
    hash = "hash",
    eq = "eq",
    cmp = "cmp",
    next = "next",
    iter = "iter",
    len = "len",
    get = "get",
    call = "call",
    // Soft keywords: keywords only where the grammar expects them.
    from = "from",
    as_ = "as",
    error = "error",
    test = "test",
    derive = "derive",
    capability = "capability",
    capset = "capset",
    deferred = "deferred",
    extern_ = "extern",
    intrinsic = "intrinsic",
    own = "own",
    where_ = "where",
    timeout = "timeout",
    none = "none",
    select = "select",
    // Words of other languages that get an answer.
    def = "def",
    func = "func",
    function = "function",
    class = "class",
    null = "null",
    nil = "nil",
    throw = "throw",
    throws = "throws",
    case = "case",
    switch = "switch",
    async_ = "async",
    await_ = "await",
    var = "var",
    val = "val",
    except = "except",
    finally = "finally",
    lambda = "lambda",
    is = "is",
    type_ = "type",
    interface = "interface",
    true_ = "True",
    false_ = "False",
    do_ = "do",
    unless = "unless",
    until = "until",
    new = "new",
    this = "this",
    static_ = "static",
    public = "public",
    private = "private",
    use_ = "use",
    mod_ = "mod",
    module = "module",
    export = "export",
    include = "include",
    require = "require",
    package = "package",
    del = "del",
    yield_ = "yield",
    global = "global",
    unsafe_ = "unsafe",
    match_ = "match",
    import = "import",
}

/// The table of all names of a compilation.
#[derive(Clone, Debug)]
pub struct Interner {
    names: IndexSet<Box<str>, FxBuildHasher>,
}

impl Default for Interner {
    fn default() -> Interner {
        Interner::new()
    }
}

impl Interner {
    /// A table that holds the known names of [`sym`].
    pub fn new() -> Interner {
        let mut names = IndexSet::with_hasher(FxBuildHasher);
        for &name in KNOWN {
            names.insert(Box::from(name));
        }
        Interner { names }
    }

    /// The symbol of a text.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(index) = self.names.get_index_of(text) {
            return Symbol(u32::try_from(index).unwrap_or(u32::MAX));
        }
        let (index, _) = self.names.insert_full(Box::from(text));
        Symbol(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The symbol of a text, if it was interned before.
    pub fn lookup(&self, text: &str) -> Option<Symbol> {
        let index = self.names.get_index_of(text)?;
        u32::try_from(index).ok().map(Symbol)
    }

    /// The text of a symbol of this table (empty for a symbol of another).
    pub fn name(&self, symbol: Symbol) -> &str {
        self.names.get_index(symbol.0 as usize).map_or("", |s| s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_where_their_constants_say() {
        let mut names = Interner::new();
        assert_eq!(names.name(sym::int), "int");
        assert_eq!(names.name(sym::import), "import");
        for (i, text) in KNOWN.iter().enumerate() {
            assert_eq!(
                names.intern(text),
                Symbol(i as u32),
                "{text} is there twice"
            );
        }
        let fresh = names.intern("fresh");
        assert_eq!(names.intern("fresh"), fresh);
        assert_eq!(names.lookup("fresh"), Some(fresh));
        assert_eq!(names.name(fresh), "fresh");
        assert_eq!(names.name(Symbol(u32::MAX)), "");
    }
}
