# shellcheck shell=sh disable=SC2015,SC2154,SC3013
# Goes through an archive that was unpacked, beside what is there already. $f is something in the archive, $n what has its name here.
# In front, or behind before it is called: own, stays, linked, there; a (what `stat` is to compare).

# each DIRECTORY REAL NAME WHAT: goes through a directory of the archive, into the one it is started in, whose real path is REAL and
# whose name in the archive is NAME. WHAT is `look`, which leaves by status 7 at the first difference, or `put`, which moves.
each() {
    for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        [ -e "$f" ] || [ -L "$f" ] || continue
        n=./${f##*/} m=
        "$4" "$2" "$3" || exit
        [ -z "$m" ] || set -- "$@" "$f"
        [ $# -lt 200 ] || { move "$@" || exit; set -- "$1" "$2" "$3" "$4"; }
    done
    move "$@" || exit
}
# Moves many at once.
move() { shift 4; [ $# = 0 ] || mv -f -- "$@" ./; }
# into REAL NAME WHAT: goes on in the directory $n.
into() {
    cd -P -- "$n" && there "${1%/}/${n#./}" || { echo "${1%/}/${n#./} leads elsewhere" >&2; exit 1; }
    [ -w "$f" ] || chmod u+w -- "$f" || exit
    own "$2${n#./}/" && each "$f" "${1%/}/${n#./}" "$2${n#./}/" "$3"
}
is_dir() { [ -d "$1" ] && [ ! -L "$1" ]; }
look() {
    if [ -L "$f" ]; then
        [ -L "$n" ] && [ "$(readlink -- "$f"; echo .)" = "$(readlink -- "$n"; echo .)" ] || exit 7
    elif is_dir "$f"; then
        is_dir "$n" || linked || exit 7
        ( into "$1" "$2" look ) || exit
        return
    elif [ -L "$n" ] || [ ! -e "$n" ]; then
        exit 7
    elif stays; then
        return
    elif [ ! -f "$n" ] || [ "$f" -nt "$n" ] || [ "$f" -ot "$n" ] || ! cmp -s -- "$f" "$n"; then
        exit 7
    fi
    [ -z "$a" ] || [ "$(stat -c "$a" -- "$f")" = "$(stat -c "$a" -- "$n")" ] || exit 7
}
put() {
    if is_dir "$f"; then
        if is_dir "$n" || linked; then ( into "$1" "$2" put ) || exit; return; fi
        rm -f -- "$n" || exit
        # Only who may write into a directory may move it.
        [ -w "$f" ] || { k=$(stat -c %a -- "$f") && chmod u+w -- "$f" && mv -f -- "$f" ./ && chmod "$k" -- "$n" || exit; return; }
    elif stays; then
        return
    elif is_dir "$n"; then
        rmdir -- "$n" || exit
    fi
    m=1
}
