//! Playbooks: from YAML to plays, blocks, tasks, handlers and roles.
//!
//! Everything that can be known without a host is checked here, so that a mistake costs no connection.
//! Values stay as written ([`Node`](crate::yaml::Node)s): templates in them are rendered later, for each host.

mod action;
mod error;
mod keywords;
mod play;
mod role;
mod scope;
mod task;

pub use action::{Action, Args, Include, IncludeKind, IncludeRole, MetaAction, ModuleNames};
pub use error::{Diagnostic, PlaybookError, Severity};
pub use keywords::Keywords;
pub use play::{Block, Item, Order, Play, Playbook, Prompt, Strategy};
pub use role::Role;
pub use scope::{Scope, ScopeKind, VarMap};
pub use task::{Loop, LoopControl, LoopKind, Task};
