//! Groups inside of groups: the order from outside to inside, and circles.

use indexmap::IndexMap;

use super::{Group, InventoryError};
use crate::yaml::{Source, Span};

/// Sorts the groups so that each stands behind those it is inside of.
///
/// # Errors
/// When a group is inside of itself; the error names the way round.
pub(super) fn sort(groups: &IndexMap<String, Group>) -> Result<Vec<usize>, InventoryError> {
    let children: Vec<Vec<usize>> =
        groups.values().map(|g| g.children.keys().filter_map(|c| groups.get_index_of(c)).collect()).collect();
    let mut state = vec![State::New; groups.len()];
    let mut order = Vec::with_capacity(groups.len());
    for start in 0..groups.len() {
        visit(start, &children, &mut state, &mut order).map_err(|chain| circle(groups, &chain))?;
    }
    order.reverse();
    Ok(order)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// Walks down without recursion: the depth is judged behind this.
fn visit(start: usize, children: &[Vec<usize>], state: &mut [State], order: &mut Vec<usize>) -> Result<(), Vec<usize>> {
    if state[start] != State::New {
        return Ok(());
    }
    state[start] = State::Open;
    let mut path = vec![(start, 0)];
    while let Some((group, next)) = path.last_mut() {
        let Some(child) = children[*group].get(*next).copied() else {
            state[*group] = State::Done;
            order.push(*group);
            path.pop();
            continue;
        };
        *next += 1;
        match state[child] {
            State::Done => {}
            State::New => {
                state[child] = State::Open;
                path.push((child, 0));
            }
            State::Open => {
                let from = path.iter().position(|(group, _)| *group == child).unwrap_or(0);
                return Err(path[from..].iter().map(|(group, _)| *group).collect());
            }
        }
    }
    Ok(())
}

fn circle(groups: &IndexMap<String, Group>, chain: &[usize]) -> InventoryError {
    let mut chain: Vec<&str> =
        chain.iter().filter_map(|at| groups.get_index(*at)).map(|(name, _)| name.as_str()).collect();
    // The same circle always reads the same: it starts with the group that was named first.
    let first = chain.iter().enumerate().min_by_key(|(_, name)| groups.get_index_of(**name)).map_or(0, |(at, _)| at);
    chain.rotate_left(first);
    let links = chain.iter().zip(chain.iter().cycle().skip(1));
    let places: Vec<_> =
        links.filter_map(|(parent, child)| groups.get(*parent)?.children.get(*child)?.clone()).collect();
    let mut text: Vec<String> = chain.iter().map(|name| format!("`{name}`")).collect();
    text.extend(chain.first().map(|name| format!("`{name}`")));
    InventoryError::Circle {
        chain: text.join(" → "),
        places: places.iter().map(Span::place).collect::<Vec<_>>().join(", "),
        // Links made while a playbook runs have no place.
        span: places.last().cloned().unwrap_or_else(|| Span::whole(&Source::new("group_by", ""))),
    }
}
