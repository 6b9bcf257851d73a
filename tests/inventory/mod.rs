//! Inventories; what ansible-core says of each case is in `lists.rs`, which is one of the tests that are data.

mod behaviour;
