# shellcheck shell=sh disable=SC2154,SC2086
# Does $act (checkout, export, place, update) with $repo at $revision and the folder $dest, then tells of it. $force is an option or nothing; s() is svn.
export LC_ALL=C
line() { printf '%s\n' "$2" | sed -n "/^$1: /{p;q;}"; }
told() { printf '%s\n' "$1" | grep -q '^[ABDUCGE][[:space:]]' && echo changed; }
case $act in
checkout) s checkout -r "$revision" "$repo" "$dest" >&2 || exit 1 ;;
export)
    s export $force -r "$revision" "$repo" "$dest" >&2 || exit 1
    exit 0
    ;;
place)
    s checkout --force -r "$revision" "$repo" "$dest" >&2 || exit 1
    [ -z "$force" ] || s revert -R "$dest" >&2 || exit 1
    ;;
update)
    if [ -n "$switch" ]; then
        out=$(s switch --revision "$revision" "$repo" "$dest") || exit 1
        told "$out"
    fi
    if [ -n "$mods" ]; then s revert -R "$dest" >&2 || exit 1; fi
    out=$(s update -r "$revision" "$dest") || exit 1
    told "$out"
    ;;
esac
info=$(s info "$dest") || exit 1
echo "revision $(line Revision "$info")"
echo "url $(line URL "$info")"
