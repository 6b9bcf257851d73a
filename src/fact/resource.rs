//! What a probe reads and a change writes, so that a change makes stale only what it may have touched.

/// A part of a machine that can be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A path and all below it.
    Path(String),
    /// All below a path, however deep, as a listing reads it.
    Tree(String),
    /// A package of the distribution.
    Package(String),
    /// A unit of the service manager.
    Unit(String),
    /// The user database.
    Users,
    /// One user, by name or number.
    User(String),
    /// The group database.
    Groups,
    /// One group, by name or number.
    Group(String),
    /// A kernel setting; the empty name stands for all of them.
    Kernel(String),
    /// An object behind the Kubernetes API, by whatever name.
    Api,
    /// Anything at all.
    Anything,
}

impl Resource {
    /// Whether writing `self` may alter what reading `read` returned.
    ///
    /// A path written touches itself, all below it, and the directory it stands in (whose entries changed).
    pub fn touches(&self, read: &Resource) -> bool {
        use Resource::{Anything, Group, Groups, Kernel, Path, Tree, User, Users};
        match (self, read) {
            (Anything, _) | (_, Anything) => true,
            (Path(written), Path(read)) => {
                within(read, written) || written.rsplit_once('/').is_some_and(|(parent, _)| non_empty(parent) == *read)
            }
            (Path(written), Tree(read)) => within(read, written) || within(written, read),
            (Kernel(written), Kernel(read)) => written.is_empty() || written == read,
            (Users, User(_)) | (User(_), Users) | (Groups, Group(_)) | (Group(_), Groups) => true,
            // A number may stand for one that is known by a name.
            (User(a), User(b)) | (Group(a), Group(b)) => a == b || is_number(a) || is_number(b),
            (a, b) => a == b,
        }
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

fn non_empty(parent: &str) -> &str {
    if parent.is_empty() { "/" } else { parent }
}

/// Whether a path is `top`, or below it.
pub(super) fn within(path: &str, top: &str) -> bool {
    path == top
        || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/') || top.ends_with('/') || rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Resource::{self, *};

    #[test]
    fn a_write_touches_itself_what_is_below_and_its_directory() {
        let path = |p: &str| Path(p.into());
        let cases: &[(Resource, Resource, bool)] = &[
            (path("/a/b"), path("/a/b"), true),
            (path("/a/b"), path("/a/b/c"), true),
            (path("/a/b"), path("/a"), true),
            (path("/a/b/c"), path("/a"), false),
            (path("/a/b/c"), Tree("/a".into()), true),
            (path("/a"), Tree("/a/b".into()), true),
            (path("/ab/c"), Tree("/a".into()), false),
            (path("/a/b"), path("/a/bc"), false),
            (path("/a"), path("/"), true),
            (path("/"), path("/etc"), true),
            (Anything, path("/x"), true),
            (Users, Groups, false),
            (Users, User("a".into()), true),
            (User("a".into()), Users, true),
            (User("a".into()), User("b".into()), false),
            (User("a".into()), User("1000".into()), true),
            (Group("a".into()), Group("a".into()), true),
            (Group("a".into()), User("a".into()), false),
            (Unit("a".into()), Unit("a".into()), true),
            (path("/a"), Users, false),
            (Kernel(String::new()), Kernel("a".into()), true),
            (Kernel("b".into()), Kernel("a".into()), false),
        ];
        for (write, read, expected) in cases {
            assert_eq!(write.touches(read), *expected, "{write:?} on {read:?}");
        }
    }
}
