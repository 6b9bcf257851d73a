//! Files of the workstation as modules send them: small ones in memory, large ones by path with remembered digests.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use sha2::Digest as _;

use super::{Content, Context, Failure};
use crate::{fact::Algorithm, vault};

/// Files up to this length are read into memory, where a vaulted one is decrypted.
const SMALL: u64 = 1 << 20;

/// A path that means the same from everywhere: hosts and commands have folders of their own.
pub fn absolute(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Without the `.` that a playbook of the current folder leaves behind.
    whole.components().collect::<PathBuf>().display().to_string()
}

/// The checksums of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: String,
    /// SHA-1.
    pub sha1: String,
    /// SHA-256.
    pub sha256: String,
}

/// A file to be sent.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// Its bytes, or where they are.
    pub content: Content,
    /// Its permission bits.
    pub mode: u32,
    /// Whether the file is encrypted and these bytes are not.
    pub decrypted: bool,
}

/// Opens a file of the workstation for sending. `decrypt` says that a vaulted one is to be sent in clear.
///
/// # Errors
/// Says why it cannot be read.
pub fn load(context: &Context<'_>, path: &Path, decrypt: bool) -> Result<LocalFile, Failure> {
    let unreadable = |e: io::Error| Failure::new(format!("cannot read `{}`: {e}", path.display()));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    let vaulted = starts_vaulted(path).map_err(unreadable)?;
    if metadata.len() <= SMALL || (vaulted && decrypt) {
        let bytes = match vaulted && !decrypt {
            true => fs::read(path).map_err(unreadable)?.into(),
            false => context.controller.read(path)?,
        };
        return Ok(LocalFile { content: Content::Bytes(bytes), mode, decrypted: vaulted && decrypt });
    }
    let content = Content::File { path: path.to_owned(), size: metadata.len() };
    Ok(LocalFile { content, mode, decrypted: false })
}

fn starts_vaulted(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(vault::HEADER.len() as u64).read_to_end(&mut start)?;
    Ok(vault::is_encrypted(&start))
}

/// The checksums of bytes in memory.
pub fn digests(bytes: &[u8]) -> Digests {
    Digests { md5: hex::<md5::Md5>(bytes), sha1: hex::<sha1::Sha1>(bytes), sha256: hex::<sha2::Sha256>(bytes) }
}

fn hex<D: sha2::Digest>(bytes: &[u8]) -> String {
    hexadecimal(&D::digest(bytes))
}

/// Writes bytes in lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The checksum of bytes in memory by any algorithm.
pub fn checksum(algorithm: Algorithm, bytes: &[u8]) -> String {
    match algorithm {
        Algorithm::Md5 => hex::<md5::Md5>(bytes),
        Algorithm::Sha1 => hex::<sha1::Sha1>(bytes),
        Algorithm::Sha224 => hex::<sha2::Sha224>(bytes),
        Algorithm::Sha256 => hex::<sha2::Sha256>(bytes),
        Algorithm::Sha384 => hex::<sha2::Sha384>(bytes),
        Algorithm::Sha512 => hex::<sha2::Sha512>(bytes),
    }
}

/// The SHA-1 of a content. That of a large file is computed once, however many hosts it is compared with.
///
/// # Errors
/// When the file cannot be read.
pub fn sha1(content: &Content) -> Result<String, Failure> {
    match content {
        Content::Bytes(bytes) => Ok(hex::<sha1::Sha1>(bytes)),
        Content::File { path, .. } => {
            let unreadable = |e: io::Error| Failure::new(format!("cannot read `{}`: {e}", path.display()));
            let slot = sha1_slot(&fs::metadata(path).map_err(unreadable)?, path);
            if let Some(known) = slot.get() {
                return Ok(known.clone());
            }
            let computed = compute_sha1(path).map_err(unreadable)?;
            Ok(slot.get_or_init(|| computed).clone())
        }
    }
}

/// Takes over the SHA-1 of a large file from somebody who has just read all of it.
pub fn learn_sha1(path: &Path, length: u64, sha1: String) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.len() == length
    {
        sha1_slot(&metadata, path).get_or_init(|| sha1);
    }
}

/// What is known of one version of a file.
type Slot = Arc<OnceLock<String>>;

fn sha1_slot(metadata: &fs::Metadata, path: &Path) -> Slot {
    static KNOWN: OnceLock<Mutex<HashMap<Version, Slot>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(known.entry(version(path, metadata)).or_default())
}

fn compute_sha1(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = sha1::Sha1::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// A file as it was when its digests were computed.
type Version = (PathBuf, u64, i64, i64, u64);

fn version(path: &Path, metadata: &fs::Metadata) -> Version {
    (path.to_owned(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
}

/// Digests of a large file, computed once however many hosts it is compared with.
fn remembered(path: &Path, metadata: &fs::Metadata) -> io::Result<Digests> {
    static KNOWN: OnceLock<Mutex<HashMap<Version, Arc<OnceLock<Digests>>>>> = OnceLock::new();
    let version = version(path, metadata);
    let slot = {
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(known.entry(version).or_default())
    };
    if let Some(digests) = slot.get() {
        return Ok(digests.clone());
    }
    let computed = compute(path)?;
    Ok(slot.get_or_init(|| computed).clone())
}

/// The checksums of a file of the workstation.
///
/// # Errors
/// When it cannot be read.
pub fn of(path: &Path) -> io::Result<Digests> {
    remembered(path, &fs::metadata(path)?)
}

fn compute(path: &Path) -> io::Result<Digests> {
    let mut file = File::open(path)?;
    let (mut md5, mut sha1, mut sha256) = (md5::Md5::new(), sha1::Sha1::new(), sha2::Sha256::new());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let bytes = &buffer[..read];
        md5.update(bytes);
        sha1.update(bytes);
        sha256.update(bytes);
    }
    Ok(Digests {
        md5: hexadecimal(&md5.finalize()),
        sha1: hexadecimal(&sha1.finalize()),
        sha256: hexadecimal(&sha256.finalize()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_the_digests_its_bytes_have() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let bytes = vec![7; 600_000];
        fs::write(&path, &bytes).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(remembered(&path, &metadata).unwrap(), digests(&bytes));
        let content = Content::File { path: path.clone(), size: 600_000 };
        assert_eq!(sha1(&content).unwrap(), digests(&bytes).sha1);
        learn_sha1(&path, 600_000, "another".into());
        assert_eq!(sha1(&content).unwrap(), digests(&bytes).sha1, "what is known stays");
        assert_eq!(checksum(Algorithm::Md5, b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
