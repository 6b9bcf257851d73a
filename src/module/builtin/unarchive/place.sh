# shellcheck shell=sh disable=SC2015,SC2154
# Finds a directory on the way to $r that nobody but root and this user can rename or write into, makes $s in it, and goes into a new
# directory there.
u=$(id -u) q='' p=''
set -- /
IFS=/
set -f
for c in $r; do [ -z "$c" ] || { q=$q/$c; set -- "$@" "$q"; }; done
unset IFS
set +f
l=$(stat -c '%u %a' -- "$@") || exit 1
for q; do
    read -r o m || break
    case $o in 0|"$u") ;; *) break ;; esac
    # Others may write into it: that does no harm where it is sticky.
    case $m in *[2367]|*[2367]?) case $m in [1357]???) ;; *) break ;; esac ;; esac
    p=$q
done <<EOF_
$l
EOF_
[ -w "${p:-/}" ] || p=$r
[ -w "$p" ] || p=${TMPDIR:-/tmp}
s=$(mktemp -d "${p%/}/.bringup-XXXXXXXXXXXX") || exit 1
trap 'cd /; rm -rf -- "$s"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -m 700 -- "$s/new" && cd -P -- "$s/new" || exit 1
