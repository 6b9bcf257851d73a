//! What is read from a host: one probe script and one pure parser per subject.
