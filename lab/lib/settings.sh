# shellcheck shell=bash disable=SC2034  # what is set here is read by who includes it
# What every script of the lab shares: where things are, how they speak, what they install.
#
# All settings come from the environment, so that several labs can run side by side:
# give each a LAB_NAME and a LAB_NET of its own.
set -euo pipefail

LAB_NAME=${LAB_NAME:-lab}                     # prefix of namespaces, interfaces and cgroups, at most 8 letters
LAB_DIR=${LAB_DIR:-/var/lib/bringup-$LAB_NAME} # everything of one lab: hosts, keys, inventory, logs
LAB_NET=${LAB_NET:-10.77.0}                   # the first three numbers of a /24: .1 is this machine, .11 is h1
LAB_NET2=${LAB_NET2:-${LAB_NET%.*}.$((${LAB_NET##*.} + 1))} # those of a second segment, behind a router (`fleet up N --segments 2`)
LAB_CACHE=${LAB_CACHE:-/var/cache/bringup-lab} # what labs share and `down` keeps: the hosts' image, the releases
LAB_CONTROL_PLANES=${LAB_CONTROL_PLANES:-1}   # how many of the hosts, from h1 on, run the control plane
export LAB_NAME LAB_DIR LAB_NET LAB_NET2 LAB_CACHE LAB_CONTROL_PLANES

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(cd "$LAB/.." && pwd)

# ---------------------------------------------------------------- words
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi
say()  { printf '%s\n' "$*"; }
note() { printf '%s%s%s\n' "$DIM" "$*" "$PLAIN"; }
# die WHAT [WHAT TO DO]
die() {
    printf '%serror:%s %s\n' "$RED" "$PLAIN" "$1" >&2
    [ $# -lt 2 ] || printf '%shint:%s %s\n' "$BOLD" "$PLAIN" "$2" >&2
    exit 1
}

# ---------------------------------------------------------------- this machine
need_root() { [ "$(id -u)" = 0 ] || die 'the lab makes namespaces and mounts, which takes root' "run it as root, or with \`sudo -E\`"; }

# need COMMAND[:PACKAGE]..: install the Debian packages whose command is missing.
need() {
    local pair missing=()
    for pair; do
        command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}
install_packages() {
    command -v apt-get >/dev/null || die "these packages are missing: $*" 'install them: only on Debian and its kin does the lab do it by itself'
    note "installing $*" >&2
    local log=$LAB_CACHE/apt.log
    mkdir -p "$LAB_CACHE"
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
        # The lists may be older than the mirror's packages, or not there yet.
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"; } >>"$log" 2>&1 ||
            { tail -5 "$log" >&2; die "\`apt-get install $*\` failed" "the whole of it is in $log"; }
    fi
}

# ---------------------------------------------------------------- hosts
# Puts into NET the net that host $1 stands in: the second one from the host on that $LAB_DIR/segment2 names.
net_of() {
    local from second
    NET=$LAB_NET
    if [ -f "$LAB_DIR/segment2" ] && read -r from second < "$LAB_DIR/segment2" && [ "${1#h}" -ge "$from" ]; then NET=$second; fi
}
addr()  { local NET; net_of "$1"; echo "$NET.$((10 + ${1#h}))"; }
# Of IPv6 each net has a /64 of its own, fd00:10:77:100:: for 10.77.0; written as programs write it, for no part of it is 0.
net6()  { local a b c; IFS=. read -r a b c <<< "$1"; printf 'fd00:%d:%d:1%02x:' "$a" "$b" "$c"; }
addr6() { local NET; net_of "$1"; echo "$(net6 "$NET"):$((10 + ${1#h}))"; }
# A machine may have no IPv6.
six()   { [ -e /proc/net/if_inet6 ]; }
hosts() { local d; for d in "$LAB_DIR"/hosts/*/; do [ ! -d "$d" ] || basename "$d"; done | sort -V; }
known() { [ -d "$LAB_DIR/hosts/$1" ] || die "there is no host \`$1\`" "the hosts are: $(hosts | tr '\n' ' ')"; }
