# shellcheck shell=sh disable=SC2015,SC2154
# Each file of "$@" as a line of \001, its name, a blank and its real path, then what is in it; then devices with their UUIDs. $binary is the program that
# lists mounts, $asked is set where it is a source of its own, $limit a command in front of it.
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
found=$asked
[ -n "$asked" ] || found=no
for f; do
    [ -r "$f" ] && [ -f "$f" ] || continue
    # Each process has a folder of its own there.
    r=$(readlink -f -- "$f" | sed 's|^/proc/[0-9]*/|/proc/self/|')
    printf '\001%s\n%s\n' "$f" "$r"
    cat -- "$f"
    echo
    case $f in /etc/mtab | /proc/mounts | /etc/mnttab) grep -q . -- "$f" && [ "$found" = no ] && found= ;; esac
done
if [ -n "$found" ] && [ -n "$binary" ]; then
    command -v "$binary" >/dev/null || { printf 'Failed to find required executable "%s"\n' "$binary" >&2; exit 91; }
    printf '\001mount\nmount\n'
    $limit "$binary" </dev/null || { r=$?; [ -n "$limit" ] && [ $r -ge 124 ] && printf '\001late\n\n' || { printf 'Failed to execute %s\n' "$binary" >&2; exit 91; }; }
fi
printf '\001uuids\n\n'
for f in /dev/disk/by-uuid/*; do [ -e "$f" ] && printf '%s %s\n' "$(readlink -f -- "$f")" "${f##*/}"; done
command -v lsblk >/dev/null && lsblk --list --noheadings --paths --output NAME,UUID --exclude 2 2>/dev/null
:
