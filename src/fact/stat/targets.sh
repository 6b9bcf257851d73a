# shellcheck shell=sh disable=SC2154
# Prints for each of $@ whether it is a link, 1 or 0, then `plain` and a line for the target of each link: one process for all. Where a
# target holds a line end that cannot be told apart: then it prints `base64`, and each by itself. In front: parents.sh.
i=$#
while [ "$i" -gt 0 ]; do
    p=$1; shift
    i=$((i-1))
    if [ -L "$p" ]; then printf 1; set -- "$@" "$p"; else printf 0; fi
done
echo
k=$#
# shellcheck disable=SC2086
lines() { set -f; IFS=$n; set -- $t; unset IFS; set +f; [ $# = "$k" ]; }
if [ $k = 0 ]; then
    :
elif t=$(readlink -- "$@" 2>/dev/null) && lines; then
    printf 'plain\n%s\n' "$t"
else
    echo base64
    for p; do readlink -- "$p" | base64 | tr -d '\n'; echo; done
fi
