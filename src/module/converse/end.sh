# shellcheck shell=sh disable=SC2154
# Ends the talk in $d, whoever takes part in it still.
p=$(cat "$d/pid" 2>/dev/null)
[ -e "$d/rc" ] || [ -z "$p" ] || { kill -- "-$p" || kill "$p"; } 2>/dev/null
rm -rf -- "$d"
:
