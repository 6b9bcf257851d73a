//! Short texts that stand for numbers: `hashids_encode` and `hashids_decode`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/community/general/hashids_encode_filter.html>

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::value::{describe, items, string};

pub(super) const GENERAL: &[Entry] = &[on("hashids_decode", decode), on("hashids_encode", encode)];

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890";
const SEPARATORS: &str = "cfhistuCFHISTU";

/// How many characters such a text may be made to have.
const MAX_LENGTH: usize = 10_000;

/// A way to write numbers.
struct Hashids {
    salt: Vec<char>,
    length: usize,
    alphabet: Vec<char>,
    separators: Vec<char>,
    guards: Vec<char>,
}

/// Shuffles characters by a salt, the same each time.
fn reorder(mut chars: Vec<char>, salt: &[char]) -> Vec<char> {
    let (mut index, mut sum) = (0usize, 0usize);
    if salt.is_empty() {
        return chars;
    }
    for at in (1..chars.len()).rev() {
        let code = salt.get(index).map_or(0, |c| *c as usize);
        sum += code;
        chars.swap(at, (code + index + sum) % at);
        index = (index + 1) % salt.len();
    }
    chars
}

impl Hashids {
    fn new(args: &mut Args) -> Result<Hashids, Error> {
        let salt: Vec<char> = args.opt_text("salt")?.unwrap_or_default().chars().collect();
        let given = args.opt_text("alphabet")?.filter(|given| !given.is_empty()).unwrap_or_else(|| ALPHABET.to_owned());
        let length = args.count("min_length", 0)?;
        let separators: Vec<char> = SEPARATORS.chars().filter(|c| given.contains(*c)).collect();
        let mut alphabet: Vec<char> = Vec::new();
        for c in given.chars() {
            if !separators.contains(&c) && !alphabet.contains(&c) {
                alphabet.push(c);
            }
        }
        if alphabet.len() + separators.len() < 16 || length > MAX_LENGTH {
            return Err(
                args.wrong("it takes an alphabet of 16 different characters at least, and no more than 10000 in all")
            );
        }
        let mut separators = reorder(separators, &salt);
        // One separator for 3.5 characters, one guard for 12.
        let wanted = (alphabet.len() * 2).div_ceil(7);
        let missing = wanted.saturating_sub(separators.len()).min(alphabet.len());
        separators.extend(alphabet.drain(..missing));
        let mut alphabet = reorder(alphabet, &salt);
        let guards = alphabet.len().div_ceil(12);
        let from = if alphabet.len() < 3 { &mut separators } else { &mut alphabet };
        let guards = from.drain(..guards.min(from.len())).collect();
        Ok(Hashids { salt, length, alphabet, separators, guards })
    }

    /// The alphabet for the next number.
    fn next(&self, alphabet: Vec<char>, lottery: char) -> Vec<char> {
        let all = [lottery].into_iter().chain(self.salt.iter().copied()).chain(alphabet.iter().copied());
        let salt: Vec<char> = all.take(alphabet.len()).collect();
        reorder(alphabet, &salt)
    }

    fn encode(&self, numbers: &[u64]) -> Option<String> {
        let sum: u64 = numbers.iter().zip(100u64..).map(|(number, at)| number % at).sum();
        let pick = |from: &[char], at: u64| from.get(usize::try_from(at % from.len().max(1) as u64).ok()?).copied();
        let lottery = pick(&self.alphabet, sum)?;
        let (mut made, mut alphabet) = (vec![lottery], self.alphabet.clone());
        for (index, number) in numbers.iter().enumerate() {
            alphabet = self.next(alphabet, lottery);
            let (mut digits, mut left, base) = (Vec::new(), *number, alphabet.len() as u64);
            loop {
                digits.push(pick(&alphabet, left)?);
                left /= base;
                if left == 0 {
                    break;
                }
            }
            digits.reverse();
            let first = u64::from(u32::from(*digits.first()?));
            made.extend(digits);
            if index + 1 < numbers.len() {
                made.push(pick(&self.separators, number % (first + index as u64))?);
            }
        }
        if made.len() < self.length {
            made = self.lengthened(made, alphabet, sum)?;
        }
        Some(made.into_iter().collect())
    }

    /// Puts guards around a text, and parts of the alphabet around them, until it is long enough.
    fn lengthened(&self, mut made: Vec<char>, mut alphabet: Vec<char>, sum: u64) -> Option<Vec<char>> {
        let guard = |c: Option<&char>| {
            let at = sum + u64::from(u32::from(*c?));
            self.guards.get(usize::try_from(at % self.guards.len().max(1) as u64).ok()?).copied()
        };
        made.insert(0, guard(made.first())?);
        if made.len() < self.length {
            made.push(guard(made.get(2))?);
        }
        let half = alphabet.len() / 2;
        while made.len() < self.length {
            let salt = alphabet.clone();
            alphabet = reorder(alphabet, &salt);
            made = [alphabet.get(half..)?, made.as_slice(), alphabet.get(..half)?].concat();
            if made.len() > self.length {
                let from = (made.len() - self.length) / 2;
                made = made.get(from..from + self.length)?.to_vec();
            }
        }
        Some(made)
    }

    fn decode(&self, text: &str) -> Option<Vec<u64>> {
        let parts: Vec<&str> = text.split(|c| self.guards.contains(&c)).collect();
        let inner = if matches!(parts.len(), 2 | 3) { parts.get(1)? } else { parts.first()? };
        let lottery = inner.chars().next()?;
        let mut alphabet = self.alphabet.clone();
        let mut numbers = Vec::new();
        for part in inner.get(lottery.len_utf8()..)?.split(|c| self.separators.contains(&c)) {
            alphabet = self.next(alphabet, lottery);
            let mut number = 0u64;
            for c in part.chars() {
                let at = alphabet.iter().position(|known| *known == c)?;
                number = number.checked_mul(alphabet.len() as u64)?.checked_add(at as u64)?;
            }
            numbers.push(number);
        }
        (self.encode(&numbers).as_deref() == Some(text)).then_some(numbers)
    }
}

fn encode(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let hashids = Hashids::new(args)?;
    let given = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => items(value)?,
        _ => vec![value.clone()],
    };
    let wrong = |one: &Value| args.wrong(format!("needs whole numbers, not {}", describe(one)));
    let number = |one: &Value| if one.is_integer() { Ok(u64::try_from(one.clone()).ok()) } else { Err(wrong(one)) };
    let numbers: Option<Vec<u64>> = given.iter().map(number).collect::<Result<_, _>>()?;
    let made = numbers.filter(|numbers| !numbers.is_empty()).and_then(|numbers| hashids.encode(&numbers));
    Ok(Value::from(made.unwrap_or_default()))
}

fn decode(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let hashids = Hashids::new(args)?;
    Ok(Value::from(hashids.decode(&string(value)?).unwrap_or_default()))
}
