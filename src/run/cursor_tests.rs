//! The course of a host through blocks, handlers and includes, read from plays as people write them.

use super::*;
use crate::{
    playbook::{Loader, Options},
    run::handlers::Handlers,
};

const PLAY: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - {name: first, ping: }
    - block:
        - {name: body, ping: }
        - {name: left out by a failure, ping: }
      rescue:
        - {name: rescue, ping: }
      always:
        - {name: always, ping: }
    - {name: after, ping: }
  handlers:
    - {name: one, ping: }
    - {name: two, ping: }
";

struct Play {
    program: Arc<Program>,
    handlers: Handlers,
}

fn play(text: &str) -> Play {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.yml");
    std::fs::write(&path, text).unwrap();
    let (playbook, _) = Loader::new(Arc::new(crate::cli::Modules), Options::default()).load(&path).unwrap();
    let play = &playbook.plays[0];
    let program = Program::play(false, [(play.tasks.as_slice(), true)], &|_| true);
    Play { program: Arc::new(program), handlers: Handlers::new(&play.handlers, &|task| Some(task.title())) }
}

fn name(next: &Next) -> String {
    match next {
        Next::Task(task, _) => task.title(),
        Next::Gather(_) => "gather".to_owned(),
        Next::Flush(_) => "flush".to_owned(),
        Next::Failed => "failed".to_owned(),
        Next::End => "end".to_owned(),
    }
}

/// The names of what is done, `failing` tasks failing and handlers being run where they are due.
fn course(play: &Play, cursor: &mut Cursor, failing: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let next = cursor.proceed();
        let name = name(&next);
        names.push(name.clone());
        match next {
            Next::End => return names,
            Next::Failed => {}
            Next::Flush(position) => cursor.flush_handlers(&play.handlers.program, position),
            _ if failing.contains(&name.as_str()) => match cursor.fail() {
                Landed::Out => names.push("out".to_owned()),
                Landed::Rescued | Landed::Always => {}
            },
            _ => cursor.advance(),
        }
    }
}

#[test]
fn failures_land_in_rescue_then_in_always_then_outside() {
    let play = play(PLAY);
    for (failing, expected) in [
        (&[][..], &["first", "body", "left out by a failure", "always", "after", "flush", "end"][..]),
        (&["body"], &["first", "body", "rescue", "always", "after", "flush", "end"]),
        (&["body", "rescue"], &["first", "body", "rescue", "always", "failed", "end"]),
        (&["body", "rescue", "always"], &["first", "body", "rescue", "always", "out", "end"]),
        (&["first"], &["first", "out", "end"]),
    ] {
        let mut cursor = Cursor::new(play.program.clone(), vec![0, 0]);
        assert_eq!(course(&play, &mut cursor, failing), expected, "{failing:?} fail");
    }
}

#[test]
fn handlers_run_in_their_order_where_they_are_due() {
    let play = play(PLAY);
    let mut cursor = Cursor::new(play.program.clone(), Vec::new());
    cursor.notify(play.handlers.find("two"));
    let names = course(&play, &mut cursor, &[]);
    assert_eq!(names[5..], ["flush", "two", "end"]);
    assert!(cursor.notified().is_empty(), "what has run is not due any more");
}

#[test]
fn what_is_included_comes_item_by_item_and_then_the_task_behind() {
    let play = play(PLAY);
    let brought = || Program { ops: play.program.ops[..1].to_vec(), blocks: Vec::new() };
    let mut cursor = Cursor::new(play.program.clone(), vec![7]);
    let Next::Task(_, position) = cursor.proceed() else { panic!("no task") };
    assert_eq!(position, [7, 0]);
    cursor.enter(&position, vec![(brought(), 0, Vec::new()), (brought(), 3, Vec::new())]);
    let mut places = Vec::new();
    while let Next::Task(task, position) = cursor.proceed() {
        places.push((task.title(), position));
        cursor.advance();
    }
    let expected: [(&str, &[u32]); 3] = [("first", &[7, 0, 0, 0]), ("first", &[7, 0, 3, 0]), ("body", &[7, 2])];
    let found: Vec<_> = places.iter().map(|(name, position)| (name.as_str(), position.as_slice())).collect();
    assert_eq!(found[..2], expected[..2]);
    assert_eq!(found[2].0, "body", "the include itself is done");
}

#[test]
fn a_failure_in_an_include_leaves_all_its_items() {
    let play = play(PLAY);
    let brought = || Program { ops: play.program.ops[..1].to_vec(), blocks: Vec::new() };
    let mut cursor = Cursor::new(play.program.clone(), Vec::new());
    cursor.proceed();
    cursor.advance();
    let Next::Task(task, position) = cursor.proceed() else { panic!("no task") };
    assert_eq!(task.title(), "body");
    cursor.enter(&position, vec![(brought(), 0, Vec::new()), (brought(), 1, Vec::new())]);
    cursor.proceed();
    assert_eq!(cursor.fail(), Landed::Rescued);
    assert_eq!(name(&cursor.proceed()), "rescue");
}

#[test]
fn looking_ahead_follows_the_natural_course_and_moves_nothing() {
    let play = play(PLAY);
    let mut cursor = Cursor::new(play.program.clone(), Vec::new());
    let Next::Task(first, _) = cursor.proceed() else { panic!("no task") };
    let mut ahead = cursor.ahead();
    let names: Vec<_> = std::iter::from_fn(|| ahead.following(&first)).map(|task| task.title()).collect();
    assert_eq!(names, ["body", "left out by a failure", "always", "after"]);
    assert_eq!(name(&cursor.proceed()), "first");
    // Nobody knows what notified handlers leave behind.
    cursor.notify([0]);
    let mut ahead = cursor.ahead();
    assert_eq!(std::iter::from_fn(|| ahead.following(&first)).count(), 4);
    cursor.proceed();
    cursor.advance();
    cursor.proceed();
    cursor.fail();
    let mut ahead = cursor.ahead();
    let names: Vec<_> = std::iter::from_fn(|| ahead.following(&first)).map(|task| task.title()).collect();
    assert_eq!(names, ["always", "after"], "a rescued failure is forgiven");
}
