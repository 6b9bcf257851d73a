# shellcheck shell=sh disable=SC2154,SC2086
# A line for each mount point of "$@": what statvfs(2) says of it, `late` where it took longer than $limit allows, or nothing. $limit: a command in front.
export LC_ALL=C
for m; do
    $limit stat -f -c '%s %S %b %a %c %d' -- "$m" 2>/dev/null || { r=$?; [ -n "$limit" ] && [ $r -ge 124 ] && echo late || echo; }
done
