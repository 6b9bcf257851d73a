# shellcheck shell=sh disable=SC2154
# Reads the lists, with pauses that double between tries. A list that could not be read is a failure. In front: run.sh, tries, longest.
n=1 d=1
until out=$(run -o APT::Update::Error-Mode=any update 2>&1); do
    [ $n -lt "$tries" ] || { printf 'Failed to update apt cache:\n%s\n' "$out" >&2; exit 100; }
    sleep "$d"
    n=$((n + 1)) d=$((d * 2))
    [ $d -le "$longest" ] || d=$longest
done
