# shellcheck shell=sh disable=SC2059
# Keeps those of $@ for which `is` (about $p) holds, and prints a flag for each: 1 it holds, 3 it is a file that may not be read, 2 it is
# something else, 0 nothing is there or that could not be told, n what stands above is no directory.
#
# Why nothing is there is what opening it says, on standard error: no process is needed for that. A mark (\036) stands in front of each
# reason and behind the last.
i=$# m=
while [ "$i" -gt 0 ]; do
    p=$1; shift
    i=$((i-1))
    if is; then
        printf 1
        set -- "$@" "$p"
    elif [ -e "$p" ]; then
        if [ -f "$p" ] && [ ! -r "$p" ]; then printf 3; else printf 2; fi
    else
        m='\036' d=${p%/*}
        while [ -n "$d" ] && [ ! -e "$d" ]; do d=${d%/*}; done
        if [ -z "$d" ] || [ -d "$d" ]; then printf 0; else printf n; fi
        printf "$m" >&2
        true <"$p"
    fi
done
echo
printf "$m" >&2
