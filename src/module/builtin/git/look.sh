# shellcheck shell=sh disable=SC2016,SC2154
# What is at $dest, and where $version of $repo is: `there`, then before, url, branch, mods; ref COMMIT NAME of what the repository calls so; `have` of a commit
# that is here already.
command -v git >/dev/null || { echo 'the host has no git: install it first (`ansible.builtin.apt: name=git`, or as its system has it)' >&2; exit 90; }
g() { git -C "$dest" "$@"; }
full() { expr "$version" : '[0-9a-f]\{40\}$' >/dev/null; }
if [ -e "$dest/.git" ] || { [ -n "$bare" ] && [ -f "$dest/config" ]; }; then
    g rev-parse --git-dir >/dev/null || exit 91
    echo there
    echo "before $(g rev-parse -q --verify HEAD)"
    echo "url $(g config --get "remote.$remote.url")"
    echo "branch $(g symbolic-ref -q --short HEAD)"
    [ -n "$bare" ] || [ -z "$(g status --porcelain --untracked-files=no)" ] || echo mods
    [ -n "$update" ] || exit 0
    if expr "$version" : '[0-9a-f]\{7,40\}$' >/dev/null && commit=$(g rev-parse -q --verify "$version^{commit}"); then
        echo "have $commit"
        ! full || exit 0
    fi
elif [ -n "$(ls -A -- "$dest" 2>/dev/null)" ]; then
    echo full
fi
case $version in
HEAD) refs=$(git ls-remote -- "$repo" HEAD) || exit 92 ;;
*) refs=$(git ls-remote -- "$repo" "refs/heads/$version" "refs/tags/$version" "refs/tags/$version^{}" "$version") || exit 92 ;;
esac
printf '%s\n' "$refs" | while read -r commit name; do [ -z "$name" ] || echo "ref $commit $name"; done
