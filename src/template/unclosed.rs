//! The block of a template that nothing ends: where it begins, for the engine knows only that the text is over.

use std::ops::Range;

use minijinja::{
    machinery::{self, Token},
    syntax::SyntaxConfig,
};

/// A block without an end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclosed {
    /// Its first word: `for`, `if`.
    pub word: String,
    /// Where that stands in the text.
    pub at: Range<usize>,
}

const BLOCKS: &[&str] = &["for", "if", "macro", "call", "filter", "block", "with", "autoescape"];

/// The innermost block that is open where the text ends.
pub(crate) fn unclosed(text: &str, syntax: &SyntaxConfig) -> Option<Unclosed> {
    let mut open: Vec<Unclosed> = Vec::new();
    let mut starts = false;
    // `{% set x %}` is a block, `{% set x = 1 %}` is none.
    let mut set = None;
    for token in machinery::tokenize(text, false, syntax.clone()) {
        let Ok((token, span)) = token else { break };
        let at = span.start_offset as usize..span.end_offset as usize;
        match token {
            Token::BlockStart => starts = true,
            Token::Ident("set") if starts => {
                starts = false;
                set = Some(at);
            }
            Token::Ident(word) if starts => {
                starts = false;
                if BLOCKS.contains(&word) {
                    open.push(Unclosed { word: word.to_owned(), at });
                } else if let Some(ended) = word.strip_prefix("end")
                    && open.last().is_some_and(|block| block.word == ended)
                {
                    open.pop();
                }
            }
            Token::Assign => set = None,
            Token::BlockEnd => {
                starts = false;
                open.extend(set.take().map(|at| Unclosed { word: "set".to_owned(), at }));
            }
            _ => starts = false,
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_open_block_is_found() {
        for (text, found) in [
            ("{% for x in y %}{{ x }}", Some(("for", 3))),
            ("{% if a %}{% for x in y %}{% endfor %}", Some(("if", 3))),
            ("{% if a %}{%- for x in y -%}x{% endif %}", Some(("for", 14))),
            ("{% set a = 1 %}{% set b %}x", Some(("set", 18))),
            ("{% set a = 1 %}{% if a %}x{% endif %}", None),
            ("{% raw %}{% if a %}{% endraw %}", None),
            ("{% if a", Some(("if", 3))),
            ("no block", None),
        ] {
            let unclosed = unclosed(text, &SyntaxConfig::default());
            assert_eq!(unclosed.as_ref().map(|u| (u.word.as_str(), u.at.start)), found, "{text}");
        }
    }
}
