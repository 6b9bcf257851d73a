# shellcheck shell=sh disable=SC2154,SC2086
# act ARGUMENT..: dnf, which waits for whoever holds its lock until $end, and never kills. d() is dnf with all options.
act() {
    while :; do
        out=$(d -y --setopt=exit_on_lock=1 "$@" 2>&1 </dev/null); rc=$?
        [ $rc -ne 0 ] || { printf '%s\n' "$out"; return 0; }
        case $out in
        *'Failed to obtain'*lock* | *'lock is held by another process'* | *'another app is currently holding'* | *'lockfile is held by'*)
            [ "$(date +%s)" -ge "$end" ] || { sleep 1; continue; } ;;
        esac
        printf '%s\n' "$out"
        return $rc
    done
}
