//! The program carries the playbooks: a change there is a change of the program.

#[allow(clippy::disallowed_macros)] // this speaks to cargo
fn main() {
    println!("cargo::rerun-if-changed=playbooks");
    println!("cargo::rerun-if-changed=inventory.example");
}
