//! Which filters, tests and lookups texts name, found without understanding them: a file that is broken is counted as well.

/// What kind of plugin is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `x | NAME`
    Filter,
    /// `x is NAME`
    Test,
    /// `lookup('NAME')`
    Lookup,
}

impl Kind {
    /// Ansible's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Filter => "filter",
            Kind::Test => "test",
            Kind::Lookup => "lookup",
        }
    }
}

/// One use: what, and the byte where the expression around it begins.
pub type Use = (Kind, String, usize);

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// What the braces of a text use.
pub fn of_template(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let end = text[start..].find(close).map_or(text.len(), |end| start + end);
        let inside = &text[start..end];
        at = (end + 2).min(text.len());
        if close == "%}" && inside.trim_matches(['-', '+', ' ']) == "raw" {
            at = text[at..].find("endraw").map_or(text.len(), |end| at + end);
        } else if close != "#}" {
            found.extend(of_expression(inside).into_iter().map(|(kind, name, _)| (kind, name, open)));
        }
    }
    found
}

/// What an expression without braces uses, as conditions are.
pub fn of_expression(text: &str) -> Vec<Use> {
    let tokens = tokens(text);
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => Some(word.as_str()),
        _ => None,
    };
    // What stands first behind an open bracket, or second.
    let text = |at: usize| match (tokens.get(at), tokens.get(at + 1)) {
        (Some(Token::Sign('(' | ',')), Some(Token::Text(text))) => Some(text.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('|') => found.extend(word(at + 1).map(|name| (Kind::Filter, name.to_owned(), 0))),
            Token::Word(name) => match name.as_str() {
                "is" => {
                    let behind = if word(at + 1) == Some("not") { at + 2 } else { at + 1 };
                    found.extend(word(behind).map(|name| (Kind::Test, name.to_owned(), 0)));
                }
                "lookup" | "query" | "q" => found.extend(text(at + 1).map(|name| (Kind::Lookup, name, 0))),
                "map" => found.extend(text(at + 1).map(|name| (Kind::Filter, name, 0))),
                "select" | "reject" => found.extend(text(at + 1).map(|name| (Kind::Test, name, 0))),
                "selectattr" | "rejectattr" if text(at + 1).is_some() => {
                    found.extend(text(at + 3).map(|name| (Kind::Test, name, 0)));
                }
                _ => {}
            },
            _ => {}
        }
    }
    // `true` and `none` behind `is` are tests of Jinja's, and so is what begins a number nothing.
    found.retain(|(_, name, _)| name.starts_with(|c: char| c.is_alphabetic() || c == '_') || is_sign(name));
    found
}

/// Tests that are written as signs: `select('==', 1)`.
fn is_sign(name: &str) -> bool {
    matches!(name, "==" | "!=" | ">" | "<" | ">=" | "<=")
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => {
                let mut inside = String::new();
                while let Some(next) = rest.next().filter(|next| *next != c) {
                    if next == '\\' {
                        inside.extend(rest.next());
                    } else {
                        inside.push(next);
                    }
                }
                tokens.push(Token::Text(inside));
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = c.to_string();
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || matches!(next, '_' | '.')) {
                    word.push(next);
                }
                tokens.push(Token::Word(word.trim_end_matches('.').to_owned()));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: Vec<Use>) -> Vec<String> {
        found.into_iter().map(|(kind, name, _)| format!("{} {name}", kind.name())).collect()
    }

    #[test]
    fn plugins_are_found_by_how_they_are_written() {
        let template = "a | b {# {{ x | no }} #}{{ '| no' ~ x | community.general.json_query('a | no') | d(1) }}{% if y is not defined %}\
                        {% raw %}{{ x | no }}{% endraw %}{{ lookup('env', 'HOME') }}{{ l | map('upper') | selectattr('a', 'match', 'x') }}";
        assert_eq!(
            names(of_template(template)),
            [
                "filter community.general.json_query",
                "filter d",
                "test defined",
                "lookup env",
                "filter map",
                "filter upper",
                "filter selectattr",
                "test match"
            ]
        );
        assert_eq!(names(of_expression("x is version('1', '>') and y | int > 1.5")), ["test version", "filter int"]);
        assert_eq!(names(of_template("{{ unclosed | a")), ["filter a"]);
    }
}
