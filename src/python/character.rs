//! What Python says of single characters: `isspace`, `isalpha`, `isdigit`…, and the capital a word begins with.

use std::sync::LazyLock;

use regex::Regex;

type Class = LazyLock<Option<Regex>>;

static LETTER: Class = LazyLock::new(|| Regex::new(r"\p{L}").ok());
static DECIMAL: Class = LazyLock::new(|| Regex::new(r"\p{Nd}").ok());
static NUMBER: Class = LazyLock::new(|| Regex::new(r"\p{N}").ok());
static TITLE: Class = LazyLock::new(|| Regex::new(r"\p{Lt}").ok());
static HIDDEN: Class = LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").ok());
static NAME_START: Class = LazyLock::new(|| Regex::new(r"[_\p{XID_Start}]").ok());
static NAME: Class = LazyLock::new(|| Regex::new(r"\p{XID_Continue}").ok());

/// Characters that are digits without being decimal: superscripts, numbers in circles and brackets, some old scripts.
const DIGITS: &str = "²³¹⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒፩-፱᧚𐩀-𐩃𐹠-𐹨𑁒-𑁚🄀-🄊";
static DIGIT: Class = LazyLock::new(|| Regex::new(&format!("[{DIGITS}]")).ok());
/// Ideographs that stand for a number.
const IDEOGRAPHS: &str = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零\
    \u{f96b}\u{f973}\u{f978}\u{f9b2}\u{f9d1}\u{f9d3}\u{f9fd}\u{20001}\u{20064}\u{200e2}\u{20121}\u{2092a}\
    \u{20983}\u{2098c}\u{2099c}\u{20aea}\u{20afd}\u{20b19}\u{22390}\u{22998}\u{23b1b}\u{2626d}\u{2f890}";

fn is(class: &Class, c: char) -> bool {
    class.as_ref().is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}

/// Whether a character is a blank: Unicode's, and the four separators of ASCII.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Whether it is a letter; a mark on one is none.
pub fn is_alpha(c: char) -> bool {
    c.is_ascii_alphabetic() || is(&LETTER, c)
}

/// Whether it is a digit of some script that counts by tens.
pub fn is_decimal(c: char) -> bool {
    c.is_ascii_digit() || is(&DECIMAL, c)
}

/// Whether it is a decimal, or a digit that looks otherwise: `²`.
pub fn is_digit(c: char) -> bool {
    is_decimal(c) || is(&DIGIT, c)
}

/// Whether it is a number: `½`, `Ⅷ` and `三` too.
pub fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || is(&NUMBER, c) || IDEOGRAPHS.contains(c)
}

/// Whether it is a letter or a number.
pub fn is_alnum(c: char) -> bool {
    is_alpha(c) || is_numeric(c)
}

/// Whether `repr` shows it as it is: no control, no blank but a space, no code without a character.
pub fn is_printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || !is(&HIDDEN, c)
}

/// Whether it is a capital that only begins a word: `ǅ`.
pub fn is_title(c: char) -> bool {
    !c.is_ascii() && is(&TITLE, c)
}

/// Whether it has a case.
pub fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || is_title(c)
}

/// Whether it may begin a name of Python's.
pub fn begins_name(c: char) -> bool {
    is(&NAME_START, c)
}

/// Whether it may stand in a name of Python's.
pub fn in_name(c: char) -> bool {
    is(&NAME, c)
}

/// The value of a decimal, whatever its script: each script's stand in a row, from nought to nine.
pub fn decimal(c: char) -> Option<u32> {
    if c.is_ascii() || !is_decimal(c) {
        return c.to_digit(10);
    }
    let before = |n: u32| u32::from(c).checked_sub(n).and_then(char::from_u32);
    let row = (1..64).take_while(|n| before(*n).is_some_and(is_decimal)).count();
    u32::try_from(row % 10).ok()
}

/// The capital at the beginning of a word: `ß` becomes `Ss`, `ǆ` becomes `ǅ`.
pub fn titled(c: char) -> String {
    let code = u32::from(c);
    let one = |code: u32| char::from_u32(code).unwrap_or(c).to_string();
    match code {
        0x149 => "ʼN".to_owned(),
        0x1c4..=0x1cc => one(0x1c5 + (code - 0x1c4) / 3 * 3),
        0x1f1..=0x1f3 => one(0x1f2),
        // Georgian has capitals for texts all in capitals alone.
        0x10d0..=0x10fa | 0x10fd..=0x10ff => one(code),
        0x1f80..=0x1faf => one(code | 8),
        0x1fb3 | 0x1fc3 | 0x1ff3 => one(code + 9),
        0x1fbc | 0x1fcc | 0x1ffc => one(code),
        0x1fb2 => "Ὰ\u{345}".to_owned(),
        0x1fb4 => "Ά\u{345}".to_owned(),
        0x1fb7 => "Α\u{342}\u{345}".to_owned(),
        0x1fc2 => "Ὴ\u{345}".to_owned(),
        0x1fc4 => "Ή\u{345}".to_owned(),
        0x1fc7 => "Η\u{342}\u{345}".to_owned(),
        0x1ff2 => "Ὼ\u{345}".to_owned(),
        0x1ff4 => "Ώ\u{345}".to_owned(),
        0x1ff7 => "Ω\u{342}\u{345}".to_owned(),
        _ => {
            let mut capitals = c.to_uppercase();
            capitals.next().into_iter().chain(capitals.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// What a character becomes when case is not to count: `ß` becomes `ss`.
pub fn folded(c: char) -> String {
    match u32::from(c) {
        0x131 | 0x13a0..=0x13f5 => c.to_string(),
        0x13f8..=0x13fd | 0xab70..=0xabbf => c.to_uppercase().collect(),
        _ => c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect(),
    }
}
