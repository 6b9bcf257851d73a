//! Playbooks: from YAML to plays, blocks, tasks, handlers and roles.
//!
//! Everything that can be known without a host is checked here, so that a mistake costs no connection.
//! Values stay as written ([`Node`](crate::yaml::Node)s): templates in them are rendered later, for each host.

mod about;
mod action;
mod error;
mod keyword;
mod keywords;
mod list;
mod load;
mod notified;
mod play;
mod role;
mod scope;
mod tags;
mod task;
mod undefined;

pub use about::{About, DEFAULTS, Expressions, LocalFile, Sets};
pub use action::{Action, Args, Include, IncludeKind, IncludeRole, MetaAction, ModuleNames, Refusal};
pub use error::{Diagnostic, PlaybookError, Severity};
pub use keyword::{Kind, Level};
pub use keywords::{Keyword, Keywords, keywords};
pub use list::{Listing, ReadTag};
pub(crate) use load::is_variable_name;
pub use load::{IncludedRole, Loader, NotFound, Options, SearchKind, Tree};
pub use notified::{handler_tasks, notified};
pub use play::{Block, Item, Order, Play, Playbook, Prompt, Strategy};
pub use role::Role;
pub use scope::{Scope, ScopeKind, VarMap};
pub use tags::{TagFilter, as_written, names as tag_names};
pub use task::{Loop, LoopControl, LoopKind, Task};
pub use undefined::MAGIC;
