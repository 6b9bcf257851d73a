# shellcheck shell=sh disable=SC2154,SC2086
# Which of "$@" are installed: `there` and its number. What is a group, a file or an address dnf alone knows. d() is dnf with all options, r() is rpm.
command -v $program >/dev/null || { echo "the host has no $program" >&2; exit 90; }
n=0
for s; do
    n=$((n + 1))
    case $s in
    @* | *.rpm | *://*) continue ;;
    *[*?[\ ]*) [ -n "$(d -q repoquery --installed -- "$s" 2>/dev/null)" ] || continue ;;
    *) r -q --quiet -- "$s" >/dev/null 2>&1 || r -q --quiet --whatprovides -- "$s" >/dev/null 2>&1 || continue ;;
    esac
    echo "there $n"
done
:
