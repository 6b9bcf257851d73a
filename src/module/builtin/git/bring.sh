# shellcheck shell=sh disable=SC2154,SC2086
# Brings $version of $repo into the folder $name here ($new: it is cloned), by way of $kind: branch, HEAD, or a commit. "$@" are options for a clone, $shallow some for fetches too.
if [ -n "$new" ]; then
    git clone $bare "$@" $shallow --origin "$remote" -- "$repo" "./$name" >&2 || exit 1
    cd "./$name" || exit 1
else
    if [ -n "$moved" ]; then git remote set-url "$remote" "$repo" 2>/dev/null || git remote add "$remote" "$repo" || exit 1; fi
    [ -z "$force" ] || [ -n "$bare" ] || git reset -q --hard HEAD -- || exit 1
    if [ -n "$bare" ]; then
        git fetch -q --force $shallow "$remote" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' || exit 1
    else
        git fetch -q --force --tags $shallow "$remote" || exit 1
    fi
fi
[ -z "$refspec" ] || git fetch -q --force $shallow "$remote" "$refspec" || exit 1
if [ -n "$verify" ]; then
    said=$(git verify-tag --raw -- "$version" 2>&1) || said=$(git verify-commit --raw "$version" 2>&1) ||
        { printf 'Failed to verify GPG signature of commit/tag "%s"\n%s\n' "$version" "$said" >&2; exit 1; }
    if [ -n "$allowed" ]; then
        # The signing key's fingerprint, and that of the key it belongs to.
        keys=$(printf '%s\n' "$said" | sed -n 's/^\[GNUPG:\] VALIDSIG \([0-9A-F]*\).* \([0-9A-F]*\)$/\1 \2/p')
        known=
        for key in $keys; do case " $allowed " in *" $key "*) known=1 ;; esac; done
        [ -n "$known" ] || { printf 'The gpg_allowlist does not include the public key "%s" for this commit\n' "${keys%% *}" >&2; exit 1; }
    fi
fi
before=$(git submodule status --recursive 2>/dev/null)
if [ -z "$bare" ]; then
    case $kind in
    head)
        git remote set-head "$remote" --auto >/dev/null 2>&1
        branch=$(git symbolic-ref -q --short "refs/remotes/$remote/HEAD") && branch=${branch#"$remote/"} || branch=$(git symbolic-ref -q --short HEAD)
        git checkout -q --force "$branch" -- || exit 1
        [ -n "$new" ] || git reset -q --hard "$remote/$branch" -- || exit 1
        ;;
    branch)
        if git show-ref -q --verify "refs/heads/$version"; then
            git checkout -q --force "$version" -- && git reset -q --hard "$remote/$version" -- || exit 1
        else
            git show-ref -q --verify "refs/remotes/$remote/$version" || git fetch -q $shallow "$remote" "+refs/heads/$version:refs/remotes/$remote/$version" || exit 1
            git checkout -q --force --track -b "$version" "$remote/$version" -- || exit 1
        fi
        ;;
    *)
        git rev-parse -q --verify "$version^{commit}" >/dev/null || git fetch -q $shallow "$remote" "$version" || exit 1
        git checkout -q --force "$version" -- || exit 1
        ;;
    esac
    if [ -n "$recursive" ] && [ -f .gitmodules ]; then
        git submodule -q sync && git submodule -q update --init --recursive $tracked >&2 || exit 1
    fi
fi
[ "$before" = "$(git submodule status --recursive 2>/dev/null)" ] || echo submodules
echo "after $(git rev-parse HEAD)"
