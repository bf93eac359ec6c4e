//! Items: imports, types, traits, implementations, capabilities.

use super::casing::Names;
use super::functions::{FnPrefix, Place};
use super::habits::LineHabit;
use super::{MarkKind, Parser};
use crate::ast::{
    CapSetItem, CapabilityItem, ConstItem, EnumItem, ExternItem, FieldDef, FnItem, FnKind,
    ImplItem, Item, ItemKind, Path, StructItem, TestItem, TraitItem, TypeExpr, TypeKind,
    VariantDef, VariantField,
};
use crate::diag::{Diagnostic, codes};
use crate::source::{Span, sym};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// All items of the file.
    pub(super) fn module_items(&mut self) -> &'a [Item<'a>] {
        let mut items = Vec::new();
        self.lines(0, |p| {
            if let Some(item) = p.item() {
                items.push(item);
            }
        });
        self.slice(&items)
    }

    /// An item with what stands before it.
    pub(super) fn item(&mut self) -> Option<Item<'a>> {
        let start = self.raw().start;
        let mut docs = self.docs();
        let mut derives: Vec<Path<'a>> = Vec::new();
        let mut derive_span: Option<Span> = None;
        while self.at_word(sym::derive) && self.peek_at(1) == T::Ident {
            let token = self.bump();
            derive_span = Some(self.span_of(token));
            loop {
                derives.extend(self.path("a trait"));
                if self.panicking {
                    break;
                }
                if self.at(T::Ident) && !self.raw().line_start {
                    let span = self.prev_span().after();
                    self.report(
                        Diagnostic::error(
                            codes::UNEXPECTED,
                            span,
                            "a comma is missing between the traits",
                        )
                        .help("write `derive Ord, Json`")
                        .fix(span, ","),
                    );
                } else if self.at(T::Plus) {
                    let span = self.here();
                    self.report(
                        Diagnostic::error(
                            codes::HABIT_OPERATOR,
                            span,
                            "a comma stands between the traits",
                        )
                        .help("write `derive Ord, Json`")
                        .fix(self.prev_span().after().to(span), ","),
                    );
                    self.bump();
                } else if !self.eat(T::Comma) {
                    break;
                }
            }
            if self.panicking {
                return None;
            }
            if !self.at(T::Newline) {
                self.unexpected("the end of the line");
                return None;
            }
            // The type stands on the next line; `derive` is part of it.
            self.line_token = self.pos;
            self.mark(MarkKind::Joined);
            docs = docs.or(self.docs());
        }
        let is_pub = if self.at(T::Pub) {
            let token = self.bump();
            self.scoped_pub();
            Some(self.span_of(token))
        } else {
            None
        };
        let kind = self.item_kind(docs, is_pub, start, &derives)?;
        if let Some(span) = derive_span
            && !matches!(kind, ItemKind::Struct(_) | ItemKind::Enum(_))
        {
            self.report(Diagnostic::error(
                codes::DERIVE_MISPLACED,
                span,
                "`derive` stands on the line before a `struct`, `enum` or `error`",
            ));
        }
        Some(Item {
            docs,
            is_pub,
            span: self.span_from(start),
            kind,
        })
    }

    fn item_kind(
        &mut self,
        docs: Option<&'a str>,
        is_pub: Option<Span>,
        start: u32,
        derives: &[Path<'a>],
    ) -> Option<ItemKind<'a>> {
        let prefix = FnPrefix {
            docs,
            is_pub,
            kind: FnKind::Normal,
            start,
        };
        match self.peek() {
            T::Import => self.import(),
            T::Const => self.constant(),
            T::Struct => self.structure(derives),
            T::Enum => self.enumeration(false, derives),
            T::Trait => self.trait_item(),
            T::Impl => self.implementation(),
            T::Fn => {
                let function = self.function(prefix, Place::Module);
                Some(ItemKind::Fn(self.alloc(function)))
            }
            T::Ident => {
                let next = self.peek_at(1);
                if self.at_word(sym::error) && next == T::Ident {
                    return self.enumeration(true, derives);
                }
                if self.at_word(sym::from) && next == T::Ident {
                    return self.names_import();
                }
                if self.at_word(sym::capability) && next == T::Ident {
                    return self.capability();
                }
                if self.at_word(sym::capset) && next == T::Ident {
                    return self.capset();
                }
                if self.at_word(sym::test) && matches!(next, T::Str | T::RawStr) {
                    return self.test();
                }
                if self.at_word(sym::extern_) && matches!(next, T::Str | T::RawStr) {
                    return self.extern_block();
                }
                for (word, kind) in [
                    (sym::deferred, FnKind::Deferred),
                    (sym::intrinsic, FnKind::Intrinsic),
                ] {
                    if self.at_word(word) && next == T::Fn {
                        self.fn_modifier(kind);
                        let function = self.function(FnPrefix { kind, ..prefix }, Place::Module);
                        return Some(ItemKind::Fn(self.alloc(function)));
                    }
                }
                match self.line_habit() {
                    LineHabit::Fn => {
                        let function = self.function(prefix, Place::Module);
                        return Some(ItemKind::Fn(self.alloc(function)));
                    }
                    LineHabit::Item => {
                        // `class` and `interface` have been told.
                        return if self.at_word(sym::interface) {
                            self.trait_item()
                        } else {
                            self.structure(derives)
                        };
                    }
                    LineHabit::Skip => return None,
                    LineHabit::None | LineHabit::Let | LineHabit::Match | LineHabit::For => {}
                }
                self.statement_on_top()
            }
            _ => self.statement_on_top(),
        }
    }

    /// Takes `deferred` or `intrinsic`.
    fn fn_modifier(&mut self, kind: FnKind) {
        let token = self.bump();
        if kind == FnKind::Intrinsic && !self.options.is_std {
            let span = self.span_of(token);
            self.report(
                Diagnostic::error(
                    codes::STD_ONLY,
                    span,
                    "`intrinsic fn` is reserved for the standard library",
                )
                .help("write `fn` and a body"),
            );
        }
    }

    /// A statement where only items stand: told once for a run of them.
    fn statement_on_top(&mut self) -> Option<ItemKind<'a>> {
        if self.left_over_brace() {
            return None;
        }
        if self.at(T::Newline) || self.at(T::Eof) || self.at(T::Error) {
            self.unexpected("an item");
            return None;
        }
        let decorated = self.at(T::At);
        if !self.top_level_reported && !decorated {
            self.top_level_reported = true;
            let span = self.here();
            let found = self.found();
            let looks = self.begins_expression()
                || self.peek().begins_statement_only()
                || matches!(self.peek(), T::Mut | T::Assert);
            let diagnostic = Diagnostic::error(
                codes::NOT_TOP_LEVEL,
                span,
                if looks {
                    format!("a statement stands at the top of the module: {found}")
                } else {
                    format!("expected an item, found {found}")
                },
            );
            self.report(if looks {
                diagnostic.help("put it into `fn main():`; a constant is `const NAME: T = …`")
            } else {
                diagnostic.help("items are `fn`, `struct`, `enum`, `error`, `trait`, `impl`, `const`, `import`, `capability`, `test`")
            });
            if !looks {
                self.panicking = true;
                return None;
            }
        }
        // Its own mistakes count no more; its lines are skipped as a whole.
        if decorated {
            self.stmt();
        } else {
            self.panicking = true;
        }
        None
    }

    fn constant(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let name = self.ident("the name of the constant")?;
        self.cased(name, Names::Constant);
        let ty = if self.eat(T::Colon) {
            self.ty()
        } else {
            if !self.panicking {
                let shown = self.names.name(name.name).to_string();
                self.report(
                    Diagnostic::error(
                        codes::CONST_TYPE_MISSING,
                        name.span,
                        format!("the constant `{shown}` has no type"),
                    )
                    .help(format!("write `const {shown}: T = …`")),
                );
            }
            self.type_expr(name.span, TypeKind::Error)
        };
        if self.panicking || !self.need(T::Assign) {
            return None;
        }
        let value = self.expression();
        Some(ItemKind::Const(self.alloc(ConstItem { name, ty, value })))
    }

    /// Lines of a declaration's body. `pass` on one line stands for none.
    fn members(&mut self, what: &str, mut member: impl FnMut(&mut Self)) {
        self.header_colon(what);
        if self.panicking {
            return;
        }
        let first = self.raw();
        if !first.line_start {
            if self.eat(T::Pass) {
                return;
            }
            self.fail(
                Diagnostic::error(
                    codes::EXPECTED_BLOCK,
                    self.here(),
                    format!("each part of {what} stands on a line of its own"),
                )
                .help("begin a new line, indented by four spaces, or write `pass` for none"),
            );
            return;
        }
        if first.kind == T::Eof || first.indent <= self.block_indent() {
            let span = self.prev_span().after();
            self.report(
                Diagnostic::error(
                    codes::EXPECTED_BLOCK,
                    span,
                    format!("the parts of {what} are expected behind this `:`"),
                )
                .help("indent them by four spaces, or write `pass` for none"),
            );
            return;
        }
        if let Some(saved) = self.enter() {
            self.lines(first.indent, |p| {
                if p.at(T::Pass) {
                    p.bump();
                } else {
                    member(p);
                }
            });
            self.leave(saved);
        }
    }

    /// A function as part of a declaration, if one stands here.
    fn member_fn(&mut self, place: Place) -> Option<&'a FnItem<'a>> {
        let word = self.token_text(self.raw()).to_string();
        let modifier = matches!(
            word.as_str(),
            "static" | "async" | "public" | "private" | "override" | "final" | "virtual"
        );
        if modifier && self.peek_at(1) == T::Fn {
            let help = match word.as_str() {
                "static" => "leave it out: a function without `self` is called on the type",
                "async" => "every function may wait: write `fn`",
                "public" => "write `pub`",
                _ => "leave it out",
            };
            self.keyword_habit("", help);
            self.bump();
            self.line_token = self.pos;
        }
        let is_pub = self.at(T::Pub);
        let at = usize::from(is_pub);
        let intrinsic = self.peek_at(at) == T::Ident
            && self.word_at(self.pos + at, sym::intrinsic)
            && self.peek_at(at + 1) == T::Fn;
        let foreign =
            !intrinsic && self.peek_at(at) == T::Ident && self.foreign_fn_at(self.pos + at);
        if !intrinsic && !foreign && self.peek_at(at) != T::Fn {
            return None;
        }
        let start = self.raw().start;
        let docs = self.docs();
        let is_pub = if is_pub {
            let token = self.bump();
            Some(self.span_of(token))
        } else {
            None
        };
        let kind = if intrinsic {
            self.fn_modifier(FnKind::Intrinsic);
            FnKind::Intrinsic
        } else if place == Place::Extern {
            FnKind::Extern
        } else {
            FnKind::Normal
        };
        if foreign {
            self.line_habit();
        }
        let prefix = FnPrefix {
            docs,
            is_pub,
            kind,
            start,
        };
        let function = self.function(prefix, place);
        Some(self.alloc(function))
    }

    fn structure(&mut self, derives: &[Path<'a>]) -> Option<ItemKind<'a>> {
        self.bump();
        let name = self.ident("the name of the struct")?;
        self.cased(name, Names::Type("a struct"));
        let generics = self.generics();
        self.parent_habit();
        let wheres = self.wheres();
        let (mut fields, mut methods) = (Vec::new(), Vec::new());
        self.members("the struct", |p| {
            if let Some(method) = p.member_fn(Place::Methods) {
                methods.push(method);
            } else if let Some(field) = p.field() {
                fields.push(field);
            }
        });
        Some(ItemKind::Struct(self.alloc(StructItem {
            name,
            generics,
            wheres,
            derives: self.slice(derives),
            fields: self.slice(&fields),
            methods: self.slice(&methods),
        })))
    }

    fn field(&mut self) -> Option<FieldDef<'a>> {
        let start = self.raw().start;
        let docs = self.docs();
        let mut is_pub = None;
        let mut mutable = None;
        loop {
            if self.at(T::Pub) && is_pub.is_none() {
                let token = self.bump();
                is_pub = Some(self.span_of(token));
            } else if self.at(T::Mut) && mutable.is_none() {
                let token = self.bump();
                mutable = Some(self.span_of(token));
            } else if self.at(T::Let) {
                let span = self.here();
                self.report(
                    Diagnostic::error(codes::HABIT_LET, span, "a field is declared without `let`")
                        .help("write `name: T`, or `mut name: T`"),
                );
                self.bump();
            } else {
                break;
            }
        }
        let word = self.token_text(self.raw()).to_string();
        if matches!(word.as_str(), "var" | "val" | "final") && self.peek_at(1) == T::Ident {
            let span = self.here();
            self.report(
                Diagnostic::error(codes::HABIT_LET, span, "a field is declared without `let`")
                    .help("write `name: T`, or `mut name: T`"),
            );
            self.bump();
        }
        let name = self.ident("a field or method")?;
        if self.at(T::Ident) {
            let span = name.span.to(self.here());
            let (ty, field) = (
                self.names.name(name.name).to_string(),
                self.token_text(self.raw()).to_string(),
            );
            self.fail(
                Diagnostic::error(
                    codes::HABIT_LET,
                    span,
                    "the name of a field stands before its type",
                )
                .help(format!("write `{field}: {ty}`"))
                .fix(span, format!("{field}: {ty}")),
            );
            return None;
        }
        self.cased(name, Names::Value("a field"));
        if matches!(self.peek(), T::Assign | T::Newline | T::Eof) {
            let span = name.span;
            let shown = self.names.name(name.name).to_string();
            self.fail(
                Diagnostic::error(
                    codes::UNEXPECTED,
                    span,
                    format!("the field `{shown}` has no type"),
                )
                .help(format!("write `{shown}: T = …`")),
            );
            return None;
        }
        if !self.need(T::Colon) {
            return None;
        }
        let ty = self.ty();
        self.union_habit(&ty);
        self.arrow_type(&ty);
        let default = if !self.panicking && self.eat(T::Assign) {
            Some(self.expression())
        } else {
            None
        };
        if self.at(T::Comma) && !self.panicking {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_SEMICOLON,
                    span,
                    "fields are separated by line ends, not commas",
                )
                .help("leave the comma out")
                .fix(span, ""),
            );
            self.bump();
        }
        Some(FieldDef {
            docs,
            is_pub,
            mutable,
            name,
            ty,
            default,
            span: self.span_from(start),
        })
    }

    fn enumeration(&mut self, is_error: bool, derives: &[Path<'a>]) -> Option<ItemKind<'a>> {
        self.bump();
        let what = if is_error { "the error" } else { "the enum" };
        let name = self.ident(&format!("the name of {what}"))?;
        self.cased(
            name,
            Names::Type(if is_error { "an error" } else { "an enum" }),
        );
        let generics = self.generics();
        if self.at(T::Assign) || self.at(T::LParen) {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::HABIT_TYPE,
                    span,
                    format!("the variants of {what} stand on lines of their own"),
                )
                .help("write `:` and for each variant a line, as in `Circle(radius: float)`"),
            );
            return None;
        }
        let wheres = self.wheres();
        let (mut variants, mut methods) = (Vec::new(), Vec::new());
        self.members(what, |p| {
            if let Some(method) = p.member_fn(Place::Methods) {
                methods.push(method);
            } else if let Some(variant) = p.variant() {
                variants.push(variant);
            }
        });
        Some(ItemKind::Enum(self.alloc(EnumItem {
            is_error,
            name,
            generics,
            wheres,
            derives: self.slice(derives),
            variants: self.slice(&variants),
            methods: self.slice(&methods),
        })))
    }

    fn variant(&mut self) -> Option<VariantDef<'a>> {
        let start = self.raw().start;
        let docs = self.docs();
        self.case_variant();
        let name = self.ident("a variant or method")?;
        if self.at(T::Colon) {
            self.fail(
                Diagnostic::error(
                    codes::PAYLOAD_NAME_MISSING,
                    name.span,
                    "a field stands in the parentheses of a variant",
                )
                .help("write for example `Failed(message: string)`"),
            );
            return None;
        }
        if self.at(T::Assign) || self.at(T::LBrace) {
            let span = self.here();
            let (what, help) = if self.at(T::Assign) {
                (
                    "variants have no numbers",
                    "give the number by a method: `fn code(self) -> int:` with a `match`",
                )
            } else {
                (
                    "the values of a variant stand in parentheses",
                    "write for example `Number(value: int)`",
                )
            };
            self.fail(Diagnostic::error(codes::PAYLOAD_NAME_MISSING, span, what).help(help));
            return None;
        }
        self.cased(name, Names::Type("a variant"));
        let mut fields = Vec::new();
        if self.at(T::LParen) {
            let opener = self.open(false);
            fields = self.list(T::RParen, |p| {
                let named = p.at(T::Ident) && p.peek_at(1) == T::Colon;
                if !named && p.at_type() {
                    let ty = p.ty();
                    if !p.panicking {
                        p.report(
                            Diagnostic::error(
                                codes::PAYLOAD_NAME_MISSING,
                                ty.span,
                                "each value of a variant has a name and a type",
                            )
                            .help("write for example `Number(value: int)`"),
                        );
                    }
                    return None;
                }
                let name = p.ident("the name of a value")?;
                p.cased(name, Names::Value("a value of a variant"));
                p.need(T::Colon);
                let ty = p.ty();
                if p.at(T::Assign) && !p.panicking {
                    let span = p.here();
                    p.fail(Diagnostic::error(
                        codes::MODIFIER_MISPLACED,
                        span,
                        "values of a variant have no defaults",
                    ));
                }
                Some(VariantField { name, ty })
            });
            self.close(opener, T::RParen);
        }
        let trailing_comma =
            self.at(T::Comma) && !self.panicking && self.token(self.pos + 1).line_start;
        if trailing_comma {
            let span = self.here();
            self.report(
                Diagnostic::error(
                    codes::HABIT_SEMICOLON,
                    span,
                    "variants are separated by line ends, not commas",
                )
                .help("leave the comma out")
                .fix(span, ""),
            );
            self.bump();
        }
        Some(VariantDef {
            docs,
            name,
            fields: self.slice(&fields),
            span: self.span_from(start),
        })
    }

    /// Functions alone; tells what else stands there.
    fn fns(&mut self, what: &str, place: Place) -> &'a [&'a FnItem<'a>] {
        let mut fns = Vec::new();
        self.members(what, |p| match p.member_fn(place) {
            Some(function) => fns.push(function),
            None => p.unexpected("a function"),
        });
        self.slice(&fns)
    }

    fn trait_item(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let name = self.ident("the name of the trait")?;
        self.cased(name, Names::Type("a trait"));
        let generics = self.generics();
        let has_supers = self.at(T::Colon)
            && !self.token(self.pos + 1).line_start
            && self.peek_at(1) == T::Ident;
        let supers: &'a [TypeExpr<'a>] = if has_supers {
            self.bump();
            self.bounds()
        } else {
            &[]
        };
        let wheres = self.wheres();
        let fns = self.fns("the trait", Place::Trait);
        Some(ItemKind::Trait(self.alloc(TraitItem {
            name,
            generics,
            supers,
            wheres,
            fns,
        })))
    }

    /// Whether the brackets here are the list type of `impl [byte]:`, not type parameters.
    fn list_type_ahead(&self) -> bool {
        let mut depth = 0usize;
        let mut at = self.pos;
        loop {
            match self.token(at).kind {
                T::LBracket => depth += 1,
                T::RBracket => depth = depth.saturating_sub(1),
                T::Eof => return false,
                _ => {}
            }
            at += 1;
            let next = self.token(at);
            if depth == 0 || (next.line_start && next.kind.begins_statement_only()) {
                break;
            }
        }
        at > self.pos + 1 && matches!(self.token(at).kind, T::Colon | T::For | T::Question)
    }

    fn implementation(&mut self) -> Option<ItemKind<'a>> {
        let start = self.bump();
        let generics: &'a [_] = if self.list_type_ahead() {
            &[]
        } else {
            self.generics()
        };
        let first = self.ty();
        let (of, target) = if !self.panicking && self.eat(T::For) {
            (Some(first), self.ty())
        } else {
            (None, first)
        };
        let wheres = self.wheres();
        let head = self.span_from(start.start);
        if let Some(ty) = of
            && !matches!(ty.kind, TypeKind::Path { .. } | TypeKind::Error)
        {
            self.report(Diagnostic::error(
                codes::UNEXPECTED,
                ty.span,
                "a trait or capability stands between `impl` and `for`",
            ));
        }
        if of.is_none() && !self.options.is_std && !self.panicking {
            self.report(
                Diagnostic::error(
                    codes::STD_ONLY,
                    head,
                    "an `impl` says which trait it implements",
                )
                .help("write `impl Trait for Type:`; methods of a type stand in its own body"),
            );
        }
        let fns = self.fns("the `impl`", Place::Methods);
        Some(ItemKind::Impl(self.alloc(ImplItem {
            generics,
            of,
            target,
            wheres,
            fns,
            head,
        })))
    }

    fn capability(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let name = self.ident("the name of the capability")?;
        self.cased(name, Names::Type("a capability"));
        self.no_cap_generics()?;
        let mut parent = None;
        let has_parent = self.at(T::Colon)
            && !self.token(self.pos + 1).line_start
            && self.peek_at(1) == T::Ident;
        if has_parent {
            self.bump();
            parent = self.path("a capability");
        }
        let ended = matches!(self.peek(), T::Newline | T::Eof);
        let deeper = self.at(T::Newline) && self.raw().indent > self.block_indent();
        let fns: &'a [_] = if parent.is_some() && ended && !deeper {
            &[]
        } else {
            self.fns("the capability", Place::Capability)
        };
        Some(ItemKind::Capability(self.alloc(CapabilityItem {
            name,
            parent,
            fns,
        })))
    }

    fn capset(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let name = self.ident("the name of the set")?;
        self.cased(name, Names::Type("a set of capabilities"));
        if !self.need(T::Assign) {
            return None;
        }
        let caps = self.cap_list();
        Some(ItemKind::CapSet(self.alloc(CapSetItem { name, caps })))
    }

    fn test(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let token = self.bump();
        let name = self.string_value(token);
        let name_span = self.span_of(token);
        self.header_colon("the name of the test");
        let body = self.block();
        Some(ItemKind::Test(self.alloc(TestItem {
            name,
            name_span,
            body,
        })))
    }

    fn extern_block(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let token = self.bump();
        let library = self.string_value(token);
        let library_span = self.span_of(token);
        let fns = self.fns("the `extern` block", Place::Extern);
        Some(ItemKind::Extern(self.alloc(ExternItem {
            library,
            library_span,
            fns,
        })))
    }
}
