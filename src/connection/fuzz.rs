//! Entry point for fuzzing what a host says: it takes any bytes, and panics where a promise is broken.

use super::answer::{Answer, Parser};
use crate::ssh::limit::{MOST_NOISE, MOST_OUTPUT};
use bytes::Bytes;

/// Reads bytes as what a shell sends, in pieces as long as the first byte says. The token is `tok`.
pub fn frames(bytes: &[u8]) {
    let Some((&cut, stream)) = bytes.split_first() else { return };
    let mut parser = Parser::new("tok");
    for piece in stream.chunks(usize::from(cut).max(1)) {
        parser.push(&Bytes::copy_from_slice(piece));
        assert!(parser.noise().len() <= MOST_NOISE + MOST_OUTPUT, "more is kept than may be");
        loop {
            match parser.next() {
                Ok(Some(Answer::Segment { stdout, stderr, .. })) => {
                    assert!(stdout.len() + stderr.len() <= stream.len(), "more came out than went in");
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}
