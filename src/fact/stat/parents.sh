# shellcheck shell=sh disable=SC2034
# Prints the real directory of each of $@; an empty line where it cannot be entered or its name would not fit on one.
n='
'
for p; do
    d=${p%/*}
    if cd -P -- "${d:-/}" 2>/dev/null; then
        case $PWD in *"$n"*) echo ;; *) printf '%s\n' "$PWD" ;; esac
    else
        echo
    fi
done
