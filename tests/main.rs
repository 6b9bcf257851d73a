//! All integration tests in one binary: linking once is faster, and a file that is not named here fails `listed`.

mod listed;
