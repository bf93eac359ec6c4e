//! Imports.

use super::Parser;
use crate::ast::{FromImport, Import, ImportName, ItemKind};
use crate::diag::{Diagnostic, codes};
use crate::source::{Ident, sym};
use crate::token::T;

impl<'a> Parser<'a, '_> {
    pub(super) fn import(&mut self) -> Option<ItemKind<'a>> {
        let start = self.bump();
        let start = self.span_of(start);
        if self.at(T::LBrace) && self.import_from(start) {
            return None;
        }
        if self.at(T::Str) {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::HABIT_LITERAL,
                    span,
                    "the name of a module is not a string",
                )
                .help("write `import name` for the file `name.jet`, or `from name import a`"),
            );
            return None;
        }
        let path = self.path("the name of a module")?;
        if self.import_from(start) {
            return None;
        }
        let alias = self.alias()?;
        if self.at(T::Comma) && !self.panicking {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::UNEXPECTED,
                    span,
                    "each module has its own `import` line",
                )
                .help("write two lines"),
            );
        }
        Some(ItemKind::Import(self.alloc(Import { path, alias })))
    }

    /// `as name`, if it stands here; `None` after an error.
    fn alias(&mut self) -> Option<Option<Ident>> {
        if self.eat_word(sym::as_) {
            return self.ident("a name").map(Some);
        }
        Some(None)
    }

    pub(super) fn names_import(&mut self) -> Option<ItemKind<'a>> {
        self.bump();
        let path = self.path("the name of a module")?;
        if !self.need(T::Import) {
            return None;
        }
        let mut names = Vec::new();
        if self.at(T::Star) {
            let span = self.here();
            self.fail(
                Diagnostic::error(codes::UNEXPECTED, span, "names are imported one by one")
                    .help("write `from m import a, b`, or `import m` and `m.a`"),
            );
            return None;
        }
        if self.at(T::LParen) {
            let opener = self.open(false);
            names = self.list(T::RParen, Self::import_name);
            self.close(opener, T::RParen);
        } else {
            loop {
                names.extend(self.import_name());
                if self.panicking || !self.eat(T::Comma) {
                    break;
                }
            }
        }
        let names = self.slice(&names);
        Some(ItemKind::FromImport(self.alloc(FromImport { path, names })))
    }

    fn import_name(&mut self) -> Option<ImportName> {
        let name = self.ident("a name to import")?;
        let alias = self.alias()?;
        Some(ImportName { name, alias })
    }
}
