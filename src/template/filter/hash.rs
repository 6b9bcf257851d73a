//! Digests and password hashes.

use std::ops::RangeInclusive;

use md5::Md5;
use minijinja::{Error, ErrorKind, State, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::error::unsupported;
use crate::template::value::{describe, string};

pub(super) const FILTERS: &[Entry] = &[
    on("checksum", |_, v, _| Ok(Value::from(hex(Sha1::digest(string(v)?))))),
    on("hash", hash),
    on("md5", |_, v, _| Ok(Value::from(hex(Md5::digest(string(v)?))))),
    on("password_hash", password_hash),
    on("sha1", |_, v, _| Ok(Value::from(hex(Sha1::digest(string(v)?))))),
    on("to_uuid", to_uuid),
];

pub(super) const GENERAL: &[Entry] = &[on("crc32", crc32)];

/// The checksum of zip archives.
fn crc32(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Err(args.wrong(format!("needs a text, not {}", describe(value))));
    };
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    let sum = text.bytes().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(byte), step));
    Ok(Value::from(format!("{:x}", !sum)))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn hash(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let kind = args.text_or("hashtype", "sha1")?;
    let text = string(value)?;
    Ok(Value::from(match kind.as_str() {
        "md5" => hex(Md5::digest(text)),
        "sha1" => hex(Sha1::digest(text)),
        "sha224" => hex(Sha224::digest(text)),
        "sha256" => hex(Sha256::digest(text)),
        "sha384" => hex(Sha384::digest(text)),
        "sha512" => hex(Sha512::digest(text)),
        "blowfish" => return Err(unsupported("the hash `blowfish` is not supported", "use sha512")),
        other => {
            let known = "md5, sha1, sha224, sha256, sha384 or sha512";
            return Err(args.wrong(format!("unsupported hash type `{other}`: it is {known}")));
        }
    }))
}

/// A UUID of a name (version 5) in Ansible's name space.
fn to_uuid(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let space = args.text_or("namespace", "361e6d51-faec-444a-9079-341386da8e2e")?;
    let digits: String = space.chars().filter(|c| *c != '-').collect();
    let mut bytes = Vec::new();
    for at in (0..32).step_by(2) {
        let byte = digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(byte.ok_or_else(|| args.wrong(format!("`{space}` is not a UUID")))?);
    }
    bytes.extend(string(value)?.bytes());
    let mut digest: Vec<u8> = Sha1::digest(&bytes).iter().copied().take(16).collect();
    for (index, byte) in digest.iter_mut().enumerate() {
        match index {
            6 => *byte = (*byte & 0x0f) | 0x50,
            8 => *byte = (*byte & 0x3f) | 0x80,
            _ => {}
        }
    }
    let all = hex(digest);
    let part = |from, to| all.get(from..to).unwrap_or_default();
    Ok(Value::from(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))))
}

/// The alphabet of crypt's salts and hashes.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn password_hash(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let kind = args.text_or("hashtype", "sha512")?;
    let salt = args.opt_text("salt")?;
    let salt_size = args.opt_int("salt_size")?;
    let rounds = args.opt_int("rounds")?;
    args.some("ident");
    let (lengths, usual, numbers) = limits(&kind);
    let range = |range: &RangeInclusive<usize>| match range.start() == range.end() {
        true => format!("{}", range.start()),
        false => format!("{} to {}", range.start(), range.end()),
    };
    let size = match salt_size.map(usize::try_from) {
        None => usual,
        Some(Ok(size)) if lengths.contains(&size) => size,
        Some(_) => return Err(args.wrong(format!("`salt_size` must be {}", range(&lengths)))),
    };
    let salt = salt.unwrap_or_else(|| random_salt(&kind, Some(size)));
    if !lengths.contains(&salt.len()) || !salt.bytes().all(|b| ALPHABET.contains(&b)) {
        let message = format!("a salt is {} characters out of letters, digits, `.` and `/`", range(&lengths));
        return Err(args.wrong(message));
    }
    let rounds = rounds.map(|rounds| u32::try_from(rounds).unwrap_or(0));
    if rounds.is_some_and(|rounds| !numbers.contains(&rounds)) {
        return Err(args.wrong(format!("`rounds` must be {} to {}", numbers.start(), numbers.end())));
    }
    crypted(&kind, &string(value)?, &salt, rounds).map(Value::from)
}

/// The hash of a password, by the kind of hash.
pub(crate) fn crypted(kind: &str, password: &str, salt: &str, rounds: Option<u32>) -> Result<String, Error> {
    // What passlib takes when Ansible names no number of rounds.
    match kind {
        "sha512" | "sha512_crypt" => {
            Ok(crypt::<Sha512>("$6$", password.as_bytes(), salt, rounds.unwrap_or(656_000), &SHA512_ORDER))
        }
        "sha256" | "sha256_crypt" => {
            Ok(crypt::<Sha256>("$5$", password.as_bytes(), salt, rounds.unwrap_or(535_000), &SHA256_ORDER))
        }
        "md5" | "md5_crypt" => Ok(md5_crypt(password.as_bytes(), salt)),
        "blowfish" | "bcrypt" => {
            let salt = bcrypt_salt(salt)?;
            let hashed = bcrypt::hash_with_salt(password, rounds.unwrap_or(12), salt);
            let hashed = hashed.map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("bcrypt: {error}")))?;
            Ok(hashed.format_for_version(bcrypt::Version::TwoB))
        }
        "yescrypt" => yescrypt(password, salt, rounds.unwrap_or(5)),
        other => {
            let message = format!("the password hash `{other}` is not supported");
            Err(unsupported(message, "use `yescrypt`, `sha512`, `sha256`, `bcrypt` or `md5`"))
        }
    }
}

/// How long a salt may be, how long one is that is made up, and how often a kind may hash (passlib's limits; a scheme that knows a
/// hundred times as many rounds would take minutes).
fn limits(kind: &str) -> (RangeInclusive<usize>, usize, RangeInclusive<u32>) {
    match kind {
        "md5" | "md5_crypt" => (1..=8, 8, 0..=u32::MAX),
        "blowfish" | "bcrypt" => (22..=22, 22, 4..=20),
        // libxcrypt's: 11 takes 1 GiB of memory.
        "yescrypt" => (2..=86, 22, 1..=11),
        _ => (1..=16, 16, 1000..=9_999_999),
    }
}

/// The 16 bytes that 22 characters of bcrypt's own base64 stand for; the bits that are left over say nothing.
fn bcrypt_salt(salt: &str) -> Result<[u8; 16], Error> {
    const BCRYPT: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(16), 0u32, 0u32);
    for c in salt.bytes() {
        let value = BCRYPT.iter().position(|known| *known == c).unwrap_or_default();
        (bits, held) = (bits << 6 | value as u32, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes.try_into().map_err(|_| Error::new(ErrorKind::InvalidOperation, "bcrypt takes a salt of 22 characters"))
}

/// Unix-crypt with MD5, as passlib documents it (<https://passlib.readthedocs.io/en/stable/lib/passlib.hash.md5_crypt.html>).
fn md5_crypt(password: &[u8], salt: &str) -> String {
    let salt = salt.as_bytes();
    let b = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut a = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    a.update(b.iter().copied().cycle().take(password.len()).collect::<Vec<u8>>());
    let mut length = password.len();
    while length > 0 {
        a.update(if length & 1 == 1 { &[0][..] } else { &password[..1] });
        length >>= 1;
    }
    let mut state = a.finalize();
    for round in 0..1000 {
        let mut c = Md5::new();
        if round & 1 == 1 {
            c.update(password);
        } else {
            c.update(state);
        }
        if round % 3 != 0 {
            c.update(salt);
        }
        if round % 7 != 0 {
            c.update(password);
        }
        if round & 1 == 1 {
            c.update(state);
        } else {
            c.update(password);
        }
        state = c.finalize();
    }
    format!("$1${}${}", String::from_utf8_lossy(salt), encoded(&state, &MD5_ORDER))
}

/// The order in which the bytes of an MD5 hash are written.
const MD5_ORDER: [usize; 16] = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, 11];

/// A salt for a kind of hash, of so many characters.
pub(crate) fn random_salt(kind: &str, size: Option<usize>) -> String {
    use rand::RngExt as _;
    let size = size.unwrap_or_else(|| limits(kind).1);
    let mut rng = rand::rng();
    let mut letter = |bits: u32| char::from(ALPHABET[usize::from(rng.random::<u8>()) & ((1 << bits) - 1)]);
    let mut salt: String = (1..size).map(|_| letter(6)).collect();
    // The last letter of a salt that stands for bytes holds what is left over of the last one.
    let left = match (kind, size % 4) {
        ("yescrypt", 2) => 2,
        ("yescrypt", 3) => 4,
        _ => 6,
    };
    salt.extend((size > 0).then(|| letter(left)));
    salt
}

/// yescrypt as libxcrypt writes it (<https://manpages.debian.org/bookworm/libcrypt-dev/crypt.5.en.html>): `cost` 1 to 11, the default is 5.
fn yescrypt(password: &str, salt: &str, cost: u32) -> Result<String, Error> {
    use yescrypt::{CustomizedPasswordHasher as _, Mode, Params, Yescrypt};
    let trouble = |why: String| Error::new(ErrorKind::InvalidOperation, format!("yescrypt: {why}"));
    let (block, memory) = if cost < 3 { (8, cost + 9) } else { (32, cost + 7) };
    let params = Params::new(Mode::default(), 1 << memory, block, 1).map_err(|error| trouble(error.to_string()))?;
    let bytes =
        yescrypt_salt(salt).ok_or_else(|| trouble(format!("`{salt}` is no salt: it stands for no whole bytes")))?;
    let hash = Yescrypt::default().hash_password_customized(password.as_bytes(), &bytes, None, None, params);
    hash.map(|hash| hash.to_string()).map_err(|error| trouble(error.to_string()))
}

/// The bytes that a salt of crypt's letters stands for: six bits each, the lowest first.
fn yescrypt_salt(salt: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for c in salt.bytes() {
        let value = ALPHABET.iter().position(|known| *known == c)?;
        (bits, held) = (bits | (value as u32) << held, held + 6);
        if held >= 8 {
            bytes.push((bits & 0xff) as u8);
            (bits, held) = (bits >> 8, held - 8);
        }
    }
    (bits == 0 && held < 6).then_some(bytes)
}

/// The order in which the bytes of a SHA-512 hash are written, in groups of three.
const SHA512_ORDER: [usize; 64] = [
    0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51, 31,
    52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19,
    62, 20, 41, 63,
];

const SHA256_ORDER: [usize; 32] = [
    0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, 31,
    30,
];

/// Unix-crypt with SHA-2, after Drepper's specification (<https://www.akkadia.org/drepper/SHA-crypt.txt>).
fn crypt<D: Digest>(prefix: &str, password: &[u8], salt: &str, rounds: u32, order: &[usize]) -> String {
    let salt_bytes = salt.as_bytes();
    let repeated = |block: &[u8], len: usize| -> Vec<u8> { block.iter().copied().cycle().take(len).collect() };
    let b = D::new().chain_update(password).chain_update(salt_bytes).chain_update(password).finalize();
    let mut a = D::new().chain_update(password).chain_update(salt_bytes).chain_update(repeated(&b, password.len()));
    let mut length = password.len();
    while length > 0 {
        if length & 1 == 1 {
            a.update(&b);
        } else {
            a.update(password);
        }
        length >>= 1;
    }
    let mut state = a.finalize();
    let mut p = D::new();
    for _ in 0..password.len() {
        p.update(password);
    }
    let p = repeated(&p.finalize(), password.len());
    let mut s = D::new();
    for _ in 0..16 + usize::from(state.first().copied().unwrap_or(0)) {
        s.update(salt_bytes);
    }
    let s = repeated(&s.finalize(), salt_bytes.len());
    for round in 0..rounds {
        let mut c = D::new();
        if round & 1 == 1 {
            c.update(&p)
        } else {
            c.update(&state)
        }
        if round % 3 != 0 {
            c.update(&s);
        }
        if round % 7 != 0 {
            c.update(&p);
        }
        if round & 1 == 1 {
            c.update(&state)
        } else {
            c.update(&p)
        }
        state = c.finalize();
    }
    let shown = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
    format!("{prefix}{shown}{salt}${}", encoded(&state, order))
}

fn encoded(state: &[u8], order: &[usize]) -> String {
    let mut out = String::new();
    for group in order.chunks(3) {
        let byte = |i: usize| group.get(i).and_then(|at| state.get(*at)).copied().map(u32::from);
        let (number, chars) = match (byte(0), byte(1), byte(2)) {
            (Some(x), Some(y), Some(z)) => (x << 16 | y << 8 | z, 4),
            (Some(x), Some(y), None) => (x << 8 | y, 3),
            (Some(x), None, _) => (x, 2),
            _ => (0, 0),
        };
        for position in 0..chars {
            let index = (number >> (6 * position)) & 63;
            out.push(char::from(ALPHABET[index as usize]));
        }
    }
    out
}
