//! A file of repositories: sections in brackets, options below them.

/// What stands in a file; remarks do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File(Vec<(String, Vec<(String, String)>)>);

impl File {
    /// Reads a file. A line that begins with a blank goes on with the value above it.
    pub(super) fn read(text: &str) -> File {
        let mut file = File::default();
        for line in text.lines() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with(['#', ';']) {
                continue;
            }
            if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), file.last()) {
                value.push('\n');
                value.push_str(bare);
            } else if let Some(name) =
                bare.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name)
            {
                if !file.0.iter().any(|(known, _)| known == name) {
                    file.0.push((name.to_owned(), Vec::new()));
                }
            } else if let (Some((key, value)), Some((_, options))) = (bare.split_once(['=', ':']), file.0.last_mut()) {
                options.push((key.trim().to_lowercase(), value.trim().to_owned()));
            }
        }
        file
    }

    fn last(&mut self) -> Option<&mut (String, String)> {
        self.0.last_mut()?.1.last_mut()
    }

    /// Puts a section at the end, in place of any of its name.
    pub(super) fn put(&mut self, name: &str, options: Vec<(String, String)>) {
        self.remove(name);
        self.0.push((name.to_owned(), options));
    }

    /// Takes a section away.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Whether there is no section.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it says the same as another, in whatever order.
    pub(super) fn same(&self, other: &File) -> bool {
        let sorted = |file: &File| {
            let mut file = file.clone();
            file.0.iter_mut().for_each(|(_, options)| options.sort());
            file.0.sort();
            file
        };
        sorted(self) == sorted(other)
    }

    /// The text, with or without passwords.
    pub(super) fn text(&self, shown: bool) -> String {
        let mut text = String::new();
        for (name, options) in &self.0 {
            text.push_str(&format!("[{name}]\n"));
            for (key, value) in options {
                let secret = shown && key.ends_with("password");
                let value = if secret { "********".to_owned() } else { value.replace('\n', "\n\t") };
                text.push_str(&format!("{key} = {value}\n"));
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_and_written() {
        let text = "# a remark\n[one]\nName=One\nbaseurl = http://a\n\thttp://b\n\n[two]\npassword: x\n";
        let mut file = File::read(text);
        assert_eq!(file.text(false), "[one]\nname = One\nbaseurl = http://a\n\thttp://b\n\n[two]\npassword = x\n\n");
        assert!(file.text(true).ends_with("password = ********\n\n"));
        assert!(File::read("[two]\npassword=x\n[one]\nbaseurl=http://a\n http://b\nname=One\n").same(&file));
        file.put("one", vec![("name".into(), "1".into())]);
        file.remove("two");
        assert_eq!(file.text(false), "[one]\nname = 1\n\n");
        file.remove("one");
        assert!(file.is_empty());
    }
}
