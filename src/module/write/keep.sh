# shellcheck shell=sh disable=SC2154
# Gives $t owner, group, mode, access lists and extended attributes of $p. In front: own (OWNER:GROUP), mode.
#
# One process where the host's `cp` can do it. Otherwise what can be seen of lists and attributes is carried over by the tools for
# them; where that fails the write fails, for they would be lost.
e=$(cp -RP --attributes-only --preserve=mode,ownership,xattr -- "$p" "$t" 2>&1) || {
    x=$(getfattr -h -d -m - -e hex -- "$p" 2>/dev/null | sed 1d)
    # A `+` behind the mode tells of a list; `getfattr` may be missing.
    # shellcheck disable=SC2012
    case $(ls -ld -- "$p") in ??????????+*) x=${x:-no list} ;; esac
    chown -- "$own" "$t" || fail
    [ -z "$x" ] || printf '# file: %s\n%s\n' "$t" "$x" | setfattr -h --restore=- || {
        echo "its access lists or extended attributes cannot be kept: $e" >&2
        fail
    }
    chmod "$mode" -- "$t" || fail
}
