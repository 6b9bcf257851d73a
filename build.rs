//! The program carries the playbooks: a change there is a change of the program.

fn main() {
    println!("cargo::rerun-if-changed=playbooks");
    println!("cargo::rerun-if-changed=inventory.example");
}
