//! A file of the workstation that several hosts get at the same time is read once.

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc};
use tokio::sync::Mutex;

/// What a file is read and sent in.
pub(crate) const PIECE: u64 = 256 << 10;

/// So many pieces stay in memory for readers that are a little behind: 16 MiB.
const KEPT: usize = 64;

/// An open file whose last pieces are kept for all who read it.
///
/// A reader that has fallen further behind reads its piece again, so a slow host holds nobody up and costs no memory.
#[derive(Debug)]
pub struct SharedFile {
    file: File,
    length: u64,
    window: Mutex<Window>,
    /// How many bytes have been read from it, by whomever.
    #[cfg(test)]
    read: AtomicU64,
}

#[derive(Debug, Default)]
struct Window {
    pieces: BTreeMap<u64, Bytes>,
    digest: Sha1,
    /// The piece that the digest needs next.
    next: u64,
}

impl SharedFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read or is no regular file.
    pub fn open(path: &Path) -> io::Result<SharedFile> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok(SharedFile {
            file,
            length: metadata.len(),
            window: Mutex::default(),
            #[cfg(test)]
            read: AtomicU64::new(0),
        })
    }

    /// Its length when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-1 of all of it, once all of it has been read from the beginning to the end.
    pub async fn sha1(&self) -> Option<String> {
        let window = self.window.lock().await;
        (window.next == self.length.div_ceil(PIECE))
            .then(|| window.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The piece at `index`; shorter than a whole one only at the end, empty behind it.
    pub(crate) async fn piece(self: &Arc<Self>, index: u64) -> io::Result<Bytes> {
        if index * PIECE >= self.length {
            return Ok(Bytes::new());
        }
        let mut window = self.window.lock().await;
        if let Some(piece) = window.pieces.get(&index) {
            return Ok(piece.clone());
        }
        if window.pieces.keys().next_back().is_some_and(|last| index < *last) {
            // Too far behind: let the others go on.
            drop(window);
            return self.read(index).await;
        }
        let piece = self.read(index).await?;
        if index == window.next {
            window.digest.update(&piece);
            window.next += 1;
        }
        window.pieces.insert(index, piece.clone());
        if window.pieces.len() > KEPT {
            window.pieces.pop_first();
        }
        Ok(piece)
    }

    async fn read(self: &Arc<Self>, index: u64) -> io::Result<Bytes> {
        let this = Arc::clone(self);
        let read = move || {
            let start = index * PIECE;
            let mut piece = vec![0; usize::try_from(this.length.saturating_sub(start).min(PIECE)).unwrap_or(0)];
            this.file.read_exact_at(&mut piece, start)?;
            #[cfg(test)]
            this.read.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(Bytes::from(piece))
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(file: &Arc<SharedFile>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for index in 0.. {
            let piece = file.piece(index).await.unwrap();
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    #[tokio::test]
    async fn many_readers_cost_one_read_and_a_late_one_gets_the_same() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..70 * PIECE + 5).map(|i| (i % 251) as u8).collect();
        std::fs::write(path.path(), &bytes).unwrap();
        let file = Arc::new(SharedFile::open(path.path()).unwrap());
        assert_eq!(file.sha1().await, None);
        let together = futures::future::join_all((0..10).map(|_| all(&file))).await;
        assert!(together.iter().all(|read| *read == bytes));
        assert_eq!(file.read.load(Ordering::Relaxed), bytes.len() as u64);
        let expected: String = Sha1::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file.sha1().await, Some(expected));
        assert!(all(&file).await == bytes, "a reader that comes when the first pieces are gone");
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_told_of() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), [7; 100]).unwrap();
        let file = Arc::new(SharedFile::open(path.path()).unwrap());
        path.as_file().set_len(50).unwrap();
        assert_eq!(file.piece(0).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(SharedFile::open(std::path::Path::new("/")).is_err());
    }
}
