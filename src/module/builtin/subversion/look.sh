# shellcheck shell=sh disable=SC2154
# What is at $dest: `absent`, `other`, or `copy` with its revision and URL, `mods`, and `there` with the revision that $revision is. With nothing to do, $only
# is set: `there` alone, of $repo. s() is svn with all its options.
export LC_ALL=C
line() { printf '%s\n' "$2" | sed -n "/^$1: /{p;q;}"; }
if [ -n "$only" ]; then
    info=$(s info "$repo") || exit 91
    echo "there $(line Revision "$info")"
    exit
fi
[ -e "$dest" ] || [ -L "$dest" ] || { echo absent; exit; }
info=$(s info "$dest" 2>/dev/null) || { echo other; exit; }
echo copy
echo "revision $(line Revision "$info")"
echo "url $(line URL "$info")"
[ -n "$update" ] || exit 0
mods=$(s status --quiet --ignore-externals "$dest") || exit 91
printf '%s\n' "$mods" | grep -q '^[^?X]' && echo mods
info=$(s info -r "$revision" "$dest") || exit 91
echo "there $(line Revision "$info")"
