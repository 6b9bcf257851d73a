# shellcheck shell=sh disable=SC2154,SC2015
# Sets d to the folder of ours that stays behind on the host. With make, one in a folder where others could make it is made;
# without, d is empty where there is none yet.
#
# Only who uses it may write to it. /var/lib is root's; a home counts if it is this user's own and nobody else may write to it
# (sudo may have kept somebody else's). Else it is a name in /tmp that is ours by its owner: where somebody sits on the first
# one the next free one is taken, and whoever comes later finds it again by its owner.

# Whether a folder is this user's, and nobody else may write to it. What is behind a link is looked at where links are ours too.
ours() {
    # shellcheck disable=SC3067  # dash and busybox know -O too
    [ -d "$1" ] && [ -O "$1" ] || return 1
    # shellcheck disable=SC2012  # only the mode is read
    m=$(LC_ALL=C ls -ldL "$1" 2>/dev/null)
    case $m in d????-??-*) return 0 ;; esac
    return 1
}

# Finds or makes one in a folder where everybody may make one.
shared() {
    for f in "$1" "$1"-*; do
        if [ ! -L "$f" ] && ours "$f"; then d=$f; return 0; fi
    done
    [ -n "$make" ] || return 1
    n=
    while [ "${#n}" -lt 9 ]; do
        f=$1${n:+-${#n}}
        # Made by us or by nobody: what is there already is somebody else's.
        if mkdir -m 700 "$f" 2>/dev/null; then d=$f; return 0; fi
        [ -e "$f" ] || [ -L "$f" ] || return 1
        n=x$n
    done
    read -r n </proc/sys/kernel/random/uuid || n=$$
    mkdir -m 700 "$1-$n" 2>/dev/null && d=$1-$n
}

d=
# shellcheck disable=SC3067
if [ -O /var/lib ] && [ -w /var/lib ]; then
    d=/var/lib/bringup
elif [ -n "${HOME-}" ] && [ -w "$HOME" ] && ours "$HOME"; then
    d=$HOME/.bringup
fi
# shellcheck disable=SC3067
case $d in ?*) [ ! -e "$d" ] || { [ -d "$d" ] && [ -O "$d" ]; } || d= ;; esac
if [ -z "$d" ]; then
    id=$(id -u)
    shared "/tmp/.bringup-$id" || shared "/var/tmp/.bringup-$id" || [ -z "$make" ] || {
        echo "no folder is this user's alone: not in /var/lib, in the home, in /tmp or in /var/tmp" >&2
        exit 70
    }
fi
# The scripts behind this one in the same shell take it as chosen.
[ -z "${__bd-}" ] || printf '%s\n' "$d" >"$__bd/.folder"
