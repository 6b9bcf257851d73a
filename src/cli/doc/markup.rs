//! The marks in texts of documentation (`C(x)`, `O(x)`, `L(text,url)`), as plain text.

/// A text without marks.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('(') {
        let (before, behind) = rest.split_at(at);
        let start = before.rfind(|c: char| !c.is_ascii_uppercase()).map_or(0, |end| end + last_width(before, end));
        let mark = &before[start..];
        let begins = before[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let semantic = matches!(mark, "V" | "E" | "O" | "RV");
        match closing(&behind[1..], semantic)
            .filter(|_| begins)
            .and_then(|end| Some((end, said(mark, &behind[1..=end])?)))
        {
            Some((end, said)) => {
                out.push_str(&before[..start]);
                out.push_str(&said);
                rest = &behind[end + 2..];
            }
            None => {
                out.push_str(before);
                out.push('(');
                rest = &behind[1..];
            }
        }
    }
    out.push_str(rest);
    out.replace("HORIZONTALLINE", "").trim().to_owned()
}

fn last_width(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// Where a mark ends; in some of them a bracket is written with a backslash.
fn closing(text: &str, escapes: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if escapes && !escaped => {
                escaped = true;
                continue;
            }
            ')' if !escaped => return Some(at),
            _ => {}
        }
        escaped = false;
    }
    None
}

fn said(mark: &str, content: &str) -> Option<String> {
    let first = |by: char| content.split(by).next().unwrap_or(content).trim().to_owned();
    Some(match mark {
        "C" => format!("`{content}`"),
        "V" | "E" => format!("`{}`", content.replace('\\', "")),
        // Of another plugin's they begin with its name.
        "O" | "RV" => format!("`{}`", content.rsplit_once(':').map_or(content, |(_, own)| own).replace('\\', "")),
        "B" | "I" | "M" | "U" => content.to_owned(),
        "P" => first('#'),
        "R" => first(','),
        "L" => match content.split_once(',') {
            Some((text, url)) => format!("{} <{}>", text.trim(), url.trim()),
            None => content.to_owned(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn marks_become_plain_words() {
        for (written, shown) in [
            ("Use C(x) with O(state=present).", "Use `x` with `state=present`."),
            (
                "See L(the page, https://example.org/a) and U(https://example.org).",
                "See the page <https://example.org/a> and https://example.org.",
            ),
            (
                "RV(ansible.builtin.stat#module:stat.exists) of M(ansible.builtin.stat)",
                "`stat.exists` of ansible.builtin.stat",
            ),
            ("a call f(x), ABC(x) and (this)", "a call f(x), ABC(x) and (this)"),
            ("V(a\\)b) and C(no end", "`a)b` and C(no end"),
            ("P(ansible.builtin.file#lookup) üC(x)", "ansible.builtin.file üC(x)"),
            ("R(Guide,guide) I(x) B(y)", "Guide x y"),
        ] {
            assert_eq!(plain(written), shown);
        }
    }
}
