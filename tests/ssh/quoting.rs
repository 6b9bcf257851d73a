//! Any bytes in a quoted argument come back identical, in every shell.

use super::shell::{local, shells};
use bringup::connection::Segment;
use proptest::{prelude::*, test_runner::TestRunner};
use std::cell::RefCell;

/// Quotes as POSIX says: everything between single quotes, each quote by itself.
fn quote(bytes: &[u8]) -> Vec<u8> {
    let text: Vec<u8> =
        bytes.iter().flat_map(|&byte| if byte == b'\'' { b"'\\''".to_vec() } else { vec![byte] }).collect();
    [b"'", text.as_slice(), b"'"].concat()
}

#[test]
fn any_bytes_survive_the_way_through_every_shell() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("folder");
    for path in shells(dir.path()) {
        let session = runtime.block_on(local(&path));
        let shell = RefCell::new(runtime.block_on(session.shell(None)).expect("a shell"));
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
        let words = prop::collection::vec(prop::collection::vec(1u8..=255, 0..400), 1..8);
        let outcome = runner.run(&words, |words| {
            let frame: Vec<_> =
                words.iter().map(|word| Segment::new([b"printf %s ".as_slice(), &quote(word)].concat())).collect();
            let mut outputs = Vec::new();
            let end = runtime.block_on(shell.borrow_mut().run(&frame, |_, output| outputs.push(output)));
            prop_assert!(end.is_ok(), "{:?}", end);
            for (word, output) in words.iter().zip(&outputs) {
                prop_assert_eq!(&output.stdout, word);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{path}: {error}"));
        // All bytes there are, and a script of a megabyte.
        let all: Vec<u8> = (1..=255).collect::<Vec<u8>>().repeat(4096);
        let mut outputs = Vec::new();
        let frame = [Segment::new([b"printf %s ".as_slice(), &quote(&all)].concat())];
        runtime.block_on(shell.borrow_mut().run(&frame, |_, output| outputs.push(output))).expect("the frame");
        assert!(outputs[0].stdout == all, "{path}");
        runtime.block_on(session.close());
    }
}
