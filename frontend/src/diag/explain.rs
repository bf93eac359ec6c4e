//! The pages of `jetvm explain`: for each code what it means, a wrong program and a right one.
//!
//! The texts are the Markdown files beside this one; a test of the suite runs each program. In them
//! `⟨202E⟩` stands for a character by its number and `⟨text×N⟩` for a text N times ([`expand`]), so
//! that programs that no editor shows can be written down.

use super::codes;

/// What is known of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code, or the name of what ended a run.
    pub code: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
    /// A program that has it.
    pub wrong: Option<Sample>,
    /// The same program without it.
    pub right: Option<Sample>,
}

/// A program of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// As it is written; lines `=== PATH` begin files of a package.
    pub text: &'static str,
    /// The flags to run it with; `None` if it is only checked.
    pub run: Option<&'static str>,
}

const FILES: &[&str] = &[
    include_str!("pages/text.md"),
    include_str!("pages/syntax.md"),
    include_str!("pages/habits.md"),
    include_str!("pages/names.md"),
    include_str!("pages/types.md"),
    include_str!("pages/effects.md"),
    include_str!("pages/runtime.md"),
];

/// All pages, in the order of the codes, those of running programs last.
pub fn pages() -> Vec<Page> {
    let sections = FILES.iter().flat_map(|file| file.split("\n## ").skip(1));
    sections.filter_map(read).collect()
}

/// The page of a code; letters in either case.
pub fn page(code: &str) -> Option<Page> {
    pages()
        .into_iter()
        .find(|page| page.code.eq_ignore_ascii_case(code))
}

fn read(section: &'static str) -> Option<Page> {
    let (code, rest) = section.split_once('\n')?;
    let text = rest.split("\n```").next()?;
    Some(Page {
        code,
        title: codes::title(code)?,
        text: text.trim(),
        wrong: sample(rest, "\n```wrong"),
        right: sample(rest, "\n```right"),
    })
}

fn sample(section: &'static str, fence: &str) -> Option<Sample> {
    let (_, rest) = section.split_once(fence)?;
    let (info, rest) = rest.split_once('\n')?;
    let (text, _) = rest.split_once("\n```")?;
    let run = info.trim().strip_prefix("run");
    Some(Sample {
        text,
        run: run.map(str::trim),
    })
}

/// The program that a sample stands for.
pub fn expand(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('⟨') {
        out.push_str(before);
        let Some((inside, after)) = behind.split_once('⟩') else {
            rest = behind;
            continue;
        };
        let counted = inside.rsplit_once('×');
        if let Some((part, count)) = counted
            && let Ok(count) = count.parse()
        {
            out.push_str(&part.repeat(count));
        } else if let Ok(number) = u32::from_str_radix(inside, 16) {
            out.extend(char::from_u32(number));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let pages: Vec<&str> = pages().iter().map(|page| page.code).collect();
        let codes: Vec<&str> = codes::ALL
            .iter()
            .chain(codes::RUNTIME)
            .map(|(code, _)| *code)
            .collect();
        let missing: Vec<_> = codes.iter().filter(|c| !pages.contains(c)).collect();
        assert!(missing.is_empty(), "without page: {missing:?}");
        assert_eq!(pages, codes);
        let heads: usize = FILES.iter().map(|f| f.matches("\n## ").count()).sum();
        assert_eq!(heads, pages.len(), "a page has an unknown code");
    }

    #[test]
    fn compile_time_pages_have_both_programs() {
        for page in pages() {
            let compile_time = codes::ALL.iter().any(|(code, _)| *code == page.code);
            assert!(
                !compile_time || page.wrong.is_some() && page.right.is_some(),
                "{}",
                page.code
            );
            assert!(
                !page.text.is_empty() && !page.text.contains("```"),
                "{}",
                page.code
            );
        }
    }

    #[test]
    fn samples_expand() {
        assert_eq!(expand("a⟨0041⟩⟨(×3⟩1⟨)×3⟩"), "aA(((1)))");
        assert_eq!(page("e0203").map(|p| p.code), Some("E0203"));
        assert_eq!(page("E9999"), None);
    }
}
