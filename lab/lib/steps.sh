# shellcheck shell=bash
# A script's steps, one line each: what is being done, and how long it took. What the commands
# print goes to $LOG; when one fails, the end of it is shown.

now() { date +%s%N; }
seconds_since() { local ms=$((($(now) - $1) / 1000000)); printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)); }

# step TITLE COMMAND..
step() {
    local title=$1 began rc=0 mark; shift
    began=$(now)
    [ ! -t 1 ] || printf '  %s· %s …%s' "$DIM" "$title" "$PLAIN"
    printf '\n== %s\n' "$title" >> "$LOG"
    mark=$(($(stat -c %s "$LOG") + 1))
    # In a process of its own: there, and not in a list with `||`, the first failing command ends it.
    "$@" >>"$LOG" 2>&1 </dev/null &
    wait $! || rc=$?
    [ ! -t 1 ] || printf '\r\e[K'
    if [ $rc = 0 ]; then
        printf '  %s✓%s %-46s %s%9s%s\n' "$GREEN" "$PLAIN" "$title" "$DIM" "$(seconds_since "$began")" "$PLAIN"
    else
        printf '  %s✗%s %-46s %s%9s%s\n' "$RED" "$PLAIN" "$title" "$DIM" "$(seconds_since "$began")" "$PLAIN"
        tail -c "+$mark" "$LOG" | tail -n "${STEP_TAIL:-15}" | sed 's/^/    /' >&2
        die "\`$title\` failed" "the whole of it is in $LOG"
    fi
}
