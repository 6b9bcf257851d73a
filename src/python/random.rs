//! Python's `random.Random`: the same numbers for the same seed.
//!
//! Source: <https://docs.python.org/3/library/random.html>, the Mersenne Twister of Matsumoto and Nishimura.

use rand::RngExt as _;
use sha2::Digest as _;

/// Words of the generator's state.
const N: usize = 624;
const M: usize = 397;

/// What a generator is begun with.
#[derive(Clone, Debug, PartialEq)]
pub enum Seed {
    /// A whole number; its sign does not count.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
}

/// A source of numbers: Python's for a seed, the system's without.
pub struct Random(Option<Box<Twister>>);

struct Twister {
    state: [u32; N],
    at: usize,
}

impl Random {
    /// Begins with a seed, or by chance.
    pub fn new(seed: Option<&Seed>) -> Random {
        Random(seed.map(|seed| Box::new(Twister::new(&words(seed)))))
    }

    /// A number below `limit`; nought where that is nought.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        let Some(twister) = &mut self.0 else { return rand::rng().random_range(0..limit) };
        let bits = u64::BITS - limit.leading_zeros();
        loop {
            let number = twister.bits(bits);
            if number < limit {
                return number;
            }
        }
    }

    /// A position in a list of so many.
    pub fn position(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// Changes the order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.position(last + 1);
            list.swap(last, other);
        }
    }
}

/// The words that a seed gives the generator, the lowest first.
fn words(seed: &Seed) -> Vec<u32> {
    match seed {
        Seed::Int(number) => number.unsigned_abs().to_le_bytes().chunks(4).map(word).collect(),
        Seed::Float(number) => (hash(*number) as u64).to_le_bytes().chunks(4).map(word).collect(),
        Seed::Text(text) => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.extend(sha2::Sha512::digest(text.as_bytes()));
            bytes.reverse();
            bytes.chunks(4).map(word).collect()
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Python's hash of a float.
fn hash(number: f64) -> i64 {
    const BITS: i32 = 61;
    const PRIME: u64 = (1 << BITS) - 1;
    if !number.is_finite() {
        return if number.is_nan() { 0 } else { 314_159 * number.signum() as i64 };
    }
    let (mut rest, mut exponent) = (number.abs(), 0i32);
    // A mantissa in [0.5, 1) and a power of two.
    while rest >= 1.0 {
        rest /= 2.0;
        exponent += 1;
    }
    while rest != 0.0 && rest < 0.5 {
        rest *= 2.0;
        exponent -= 1;
    }
    let mut sum: u64 = 0;
    while rest != 0.0 {
        sum = ((sum << 28) & PRIME) | sum >> (BITS - 28);
        rest *= 268_435_456.0;
        exponent -= 28;
        let whole = rest as u64;
        rest -= whole as f64;
        sum += whole;
        if sum >= PRIME {
            sum -= PRIME;
        }
    }
    let turn = exponent.rem_euclid(BITS);
    sum = ((sum << turn) & PRIME) | sum >> (BITS - turn);
    let signed = if number < 0.0 { -(sum as i64) } else { sum as i64 };
    if signed == -1 { -2 } else { signed }
}

impl Twister {
    fn new(words: &[u32]) -> Twister {
        let used = words.iter().rposition(|word| *word != 0).map_or(1, |last| last + 1);
        let key = words.get(..used).unwrap_or(&[0]);
        let mut state = [0u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = 1_812_433_253u32.wrapping_mul(state[i - 1] ^ state[i - 1] >> 30).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            let mixed = (state[i - 1] ^ state[i - 1] >> 30).wrapping_mul(1_664_525);
            state[i] = (state[i] ^ mixed).wrapping_add(key[j]).wrapping_add(j as u32);
            (i, j) = (i + 1, (j + 1) % key.len());
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        for _ in 1..N {
            let mixed = (state[i - 1] ^ state[i - 1] >> 30).wrapping_mul(1_566_083_941);
            state[i] = (state[i] ^ mixed).wrapping_sub(i as u32);
            i += 1;
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        Twister { state, at: N }
    }

    fn next(&mut self) -> u32 {
        if self.at >= N {
            for i in 0..N {
                let both = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
                let odd = if both & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ both >> 1 ^ odd;
            }
            self.at = 0;
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    /// So many bits, 1 to 64; the first word is the lowest.
    fn bits(&mut self, count: u32) -> u64 {
        match count {
            0..=32 => u64::from(self.next() >> (32 - count.max(1))),
            _ => u64::from(self.next()) | u64::from(self.next() >> (64 - count.min(64))) << 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `random.Random(seed)` answers in Python 3.
    #[test]
    fn numbers_are_pythons() {
        let text = |seed: &str| Random::new(Some(&Seed::Text(seed.to_owned())));
        assert_eq!(text("h1").below(60), 32);
        assert_eq!(text("abc").below(10_000_000_000), 6_692_285_490);
        assert_eq!(Random::new(Some(&Seed::Int(42))).below(59), 40);
        assert_eq!(Random::new(Some(&Seed::Int(-3))).below(60), 15);
        assert_eq!(Random::new(Some(&Seed::Float(1.5))).below(60), 35);
        let big = Seed::Int(123_456_789_012_345_678_901_234_567_890);
        assert_eq!(Random::new(Some(&big)).below(60), 46);
        let mut list: Vec<u32> = (0..10).collect();
        text("h1").shuffle(&mut list);
        assert_eq!(list[..6], [3, 4, 7, 5, 2, 0]);
    }
}
