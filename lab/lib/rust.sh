# shellcheck shell=bash
# Rust that is new enough to build bringup, and the build.

MSRV=$(awk -F'"' '/^rust-version/ {print $2}' "$REPO/Cargo.toml")
CARGO=(cargo)

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -1)" = "$2" ]; }
cargo_fits() { local v; v=$("$@" --version 2>/dev/null | awk '{print $2}') && [ -n "$v" ] && at_least "$v" "$MSRV"; }

find_cargo() {
    export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    CARGO=(cargo); ! cargo_fits cargo || return 0
    CARGO=(cargo +stable); cargo_fits cargo +stable
}

# A compiler for what is C in the dependencies, and Rust by rustup if there is none new enough.
rust_up() {
    need cc:gcc curl git
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    ! find_cargo || return 0
    if command -v rustup >/dev/null; then
        rustup toolchain install stable --profile minimal
    else
        curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain stable --no-modify-path
    fi
    find_cargo || die "no Rust $MSRV or newer" 'install it: https://rustup.rs'
}

target_dir() { echo "${CARGO_TARGET_DIR:-$REPO/target}"; }
build_release() { find_cargo; (cd "$REPO" && "${CARGO[@]}" build --release --locked); }
