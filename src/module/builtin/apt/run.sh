# shellcheck shell=sh disable=SC2015,SC2154
# run ARGUMENT..: apt-get, which waits for whoever holds a lock until $end, never kills, and finishes what an interrupted dpkg left, once.
export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1 LC_ALL=C
run() {
    mended=
    while :; do
        out=$(apt-get -y "$@" 2>&1 </dev/null); rc=$?
        [ $rc -ne 0 ] || { printf '%s\n' "$out"; return 0; }
        case $out in
        *'Could not get lock'* | *'Unable to acquire the dpkg frontend lock'* | *'Unable to lock '* | *'is another process using it'*)
            [ "$(date +%s)" -ge "$end" ] || { sleep 1; continue; } ;;
        *'dpkg was interrupted'*)
            [ -n "$mended" ] || { mended=1; dpkg --force-confdef --force-confold --configure -a </dev/null >&2 && continue; } ;;
        esac
        printf '%s\n' "$out" >&2
        return $rc
    done
}
