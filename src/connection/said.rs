//! What a host's own words mean to who reads them.

/// What to do where a host says that it cannot write: about full and read-only file systems. `None` for all else.
///
/// The words are those of the C library (`strerror`) and of GNU tar, which says only how much it wrote where a
/// file system fills up in the middle of a file.
pub fn advice(said: &str) -> Option<&'static str> {
    let any = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    if any(&["No space left", "Disk quota exceeded"]) || (said.contains("Wrote only ") && said.contains(" bytes")) {
        Some("the file system is full: `df -h` and `df -i` on the host")
    } else if any(&["Read-only file system"]) {
        Some("the file system is read-only: `findmnt -T` on the host")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn full_and_read_only_file_systems_are_known_by_their_words() {
        let full = Some("the file system is full: `df -h` and `df -i` on the host");
        let cases = [
            ("cat: write error: No space left on device", full),
            ("tar: etcd/etcdctl: Wrote only 4096 of 10240 bytes", full),
            ("cp: error writing '/a': Disk quota exceeded", full),
            ("mkdir: cannot create directory '/a': Read-only file system", {
                Some("the file system is read-only: `findmnt -T` on the host")
            }),
            ("tar: a: Cannot open: Permission denied", None),
            ("Wrote only the first part", None),
            ("", None),
        ];
        for (said, expected) in cases {
            assert_eq!(advice(said), expected, "{said}");
        }
    }
}
