# shellcheck shell=sh disable=SC2154
# Prints a line of passwd for each of $@, then one of shadow for each, then all groups of each with the primary one first; empty where
# unknown. In front: lookup.sh, and b, which is empty where one of them is a number: that is answered by a line that goes by another name.
if [ -n "$b" ] && many $# getent passwd "$@"; then
    many $# getent shadow "$@" || for u; do printf '%s\n' "$(look shadow "$u" 2>/dev/null)"; done
    many $# id -Gn "$@" || for u; do printf '%s\n' "$(id -Gn "$u" 2>/dev/null)"; done
else
    # The names of those that are there take the place of what they were asked by.
    k=$#
    for u; do
        if l=$(look passwd "$u"); then printf '%s\n' "$l"; else [ $? = 2 ] || exit 1; l=; echo; fi
        set -- "$@" "${l%%:*}"
    done
    shift $k
    for u; do if [ -n "$u" ]; then printf '%s\n' "$(look shadow "$u" 2>/dev/null)"; else echo; fi; done
    for u; do if [ -n "$u" ]; then printf '%s\n' "$(id -Gn "$u" 2>/dev/null)"; else echo; fi; done
fi
