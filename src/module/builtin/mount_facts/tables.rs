//! The tables of mounts: files of several systems, and what `mount` prints.

use serde_json::{Map, Value as Json, json};

/// A line of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mount {
    /// The line as it stands there.
    pub line: String,
    /// Its fields by name; `device`, `mount` and `fstype` are always there.
    pub fields: Map<String, Json>,
}

impl Mount {
    fn new<const N: usize>(line: &str, fields: [(&str, Json); N]) -> Mount {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Mount { line: line.to_owned(), fields }
    }

    /// A field as text.
    pub(super) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Json::as_str).unwrap_or_default()
    }
}

/// Reads a file: the first kind of table of which every line is one counts. Solaris' tables have seven or five columns, all others four to six.
pub(super) fn file(text: &str) -> Vec<Mount> {
    let lines: Vec<&str> = text.lines().collect();
    [vfstab, mnttab, fstab].iter().find_map(|read| read(&lines)).unwrap_or_default()
}

/// Lines that are neither empty nor a remark.
fn told<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    lines.iter().copied().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).collect()
}

fn vfstab(lines: &[&str]) -> Option<Vec<Mount>> {
    let read = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, check, mount, kind, pass, boot, options] = fields.get(..7)? else { return None };
        let pass = pass.parse::<i64>().map_or_else(|_| json!(pass), |pass| json!(pass));
        Some(Mount::new(
            line,
            [
                ("device", json!(device)),
                ("device_to_fsck", json!(check)),
                ("mount", json!(mount)),
                ("fstype", json!(kind)),
                ("passno", pass),
                ("mount_at_boot", json!(boot)),
                ("options", json!(options)),
            ],
        ))
    };
    told(lines).iter().map(read).collect()
}

fn mnttab(lines: &[&str]) -> Option<Vec<Mount>> {
    let fields = |line: &&str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // A time in seconds has ten digits.
    let timed = lines.iter().any(|line| fields(line).get(4).is_some_and(|time| time.len() == 10));
    let read = |line: &&str| {
        let fields = fields(line);
        let [device, mount, kind, options, time] = fields.get(..5)? else { return None };
        let time = time.parse::<i64>().ok()?;
        let named = [("device", device), ("mount", mount), ("fstype", kind), ("options", options)];
        let mut read = Mount::new(line, named.map(|(name, value)| (name, json!(value))));
        read.fields.insert("time".into(), json!(time));
        Some(read)
    };
    timed.then(|| lines.iter().map(read).collect()).flatten()
}

fn fstab(lines: &[&str]) -> Option<Vec<Mount>> {
    let read = |line: &&str| {
        let fields: Vec<String> = line.split_whitespace().map(unescaped).collect();
        let [device, mount, kind, options] = fields.get(..4)? else { return None };
        let named = [("device", device), ("mount", mount), ("fstype", kind), ("options", options)];
        let mut read = Mount::new(line.trim(), named.map(|(name, value)| (name, json!(value))));
        for (name, number) in ["dump", "passno"].into_iter().zip(fields.get(4..)?) {
            read.fields.insert(name.to_owned(), json!(number.parse::<i64>().ok()?));
        }
        Some(read)
    };
    told(lines).iter().map(read).collect()
}

/// Undoes the octal escapes: `\040` is a blank.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| first == b'\\').and_then(|three| std::str::from_utf8(three).ok());
        let byte = digits.filter(|d| d.bytes().all(|b| (b'0'..=b'7').contains(&b)));
        match byte.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads what `mount` prints: `DEVICE on DIRECTORY type KIND (OPTIONS)`, or as the BSDs have it `DEVICE on DIRECTORY (KIND, OPTIONS)`.
pub(super) fn printed(text: &str) -> Vec<Mount> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let linux: Option<Vec<Mount>> = lines.iter().map(|line| of_linux(line)).collect();
    let bsd =
        || lines.iter().filter(|line| !line.starts_with("map ")).map(|line| of_bsd(line)).collect::<Option<Vec<_>>>();
    linux.or_else(bsd).unwrap_or_default()
}

fn of_linux(line: &str) -> Option<Mount> {
    let words: Vec<&str> = line.splitn(6, ' ').collect();
    let [device, "on", mount, "type", kind, options] = words[..] else { return None };
    let options = options.strip_prefix('(')?.strip_suffix(')').filter(|options| !options.is_empty())?;
    let named = [("device", device), ("mount", mount), ("fstype", kind), ("options", options)];
    Some(Mount::new(line, named.map(|(name, value)| (name, json!(value)))))
}

fn of_bsd(line: &str) -> Option<Mount> {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [device, "on", mount, kind] = words[..] else { return None };
    let kind = kind.strip_prefix('(')?.strip_suffix(')').filter(|kind| !kind.is_empty())?;
    let (kind, options) =
        kind.split_once(',').map_or((kind, None), |(kind, rest)| (kind.trim_end(), Some(rest.trim_start())));
    let named = [("device", device), ("mount", mount), ("fstype", kind)];
    let mut read = Mount::new(line, named.map(|(name, value)| (name, json!(value))));
    read.fields.extend(options.map(|options| ("options".to_owned(), json!(options))));
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(mounts: &[Mount]) -> Vec<Json> {
        mounts.iter().map(|mount| Json::Object(mount.fields.clone())).collect()
    }

    #[test]
    fn tables_of_files_are_read() {
        let text = "# a remark\n\nUUID=a-b  /a\\040b ext4 rw 0 1\nnone /proc proc defaults\n";
        let first =
            json!({ "device": "UUID=a-b", "mount": "/a b", "fstype": "ext4", "options": "rw", "dump": 0, "passno": 1 });
        let second = json!({ "device": "none", "mount": "/proc", "fstype": "proc", "options": "defaults" });
        assert_eq!(fields(&file(text)), [first, second]);
        assert_eq!(file(text)[0].line, "UUID=a-b  /a\\040b ext4 rw 0 1");
        assert_eq!(file("ext4\nvfat\n"), []);
        let solaris = "#device\n/dev/dsk/c0 /dev/rdsk/c0 / ufs 1 no -\n";
        let expected = json!({ "device": "/dev/dsk/c0", "device_to_fsck": "/dev/rdsk/c0", "mount": "/", "fstype": "ufs",
            "passno": 1, "mount_at_boot": "no", "options": "-" });
        assert_eq!(fields(&file(solaris)), [expected]);
        let times = "rpool/ROOT / zfs dev=4490002 1724055352\n";
        let expected = json!({ "device": "rpool/ROOT", "mount": "/", "fstype": "zfs", "options": "dev=4490002", "time": 1_724_055_352 });
        assert_eq!(fields(&file(times)), [expected]);
    }

    #[test]
    fn what_mount_prints_is_read() {
        let linux = "proc on /proc type proc (rw,nosuid)\n/dev/vda1 on / type ext4 (rw)\n";
        let first = json!({ "device": "proc", "mount": "/proc", "fstype": "proc", "options": "rw,nosuid" });
        assert_eq!(fields(&printed(linux))[0], first);
        let bsd = "/dev/ada0p2 on / (ufs, local, soft-updates)\ndevfs on /dev (devfs)\n";
        let first = json!({ "device": "/dev/ada0p2", "mount": "/", "fstype": "ufs", "options": "local, soft-updates" });
        assert_eq!(fields(&printed(bsd)), [first, json!({ "device": "devfs", "mount": "/dev", "fstype": "devfs" })]);
        assert_eq!(printed("nothing of the kind\n"), []);
    }
}
