# shellcheck shell=sh disable=SC2154,SC2016,SC2086
# The key in $file, or what fetched() puts into $s/key: `id` and its fingerprints (`print`), then the ids of those that rpm has (`have`). $known is an id that
# needs no file. In front: fetched().
command -v rpm >/dev/null || { echo 'Failed to find required executable "rpm"' >&2; exit 90; }
gpg=gpg; command -v gpg >/dev/null || gpg=gpg2
command -v $gpg >/dev/null || { echo 'Failed to find required executable "gpg2"' >&2; exit 90; }
s=$(umask 077; mktemp -d) || exit 91
trap 'rm -rf -- "$s"' EXIT
trap 'exit 1' HUP INT TERM
g() { $gpg --homedir "$s" --batch --no-options --no-tty --quiet --with-colons --fixed-list-mode "$@" 2>/dev/null; }
if [ -z "$known" ]; then
    if [ -z "$file" ]; then
        file=$s/key
        fetched || exit 91
        grep -q -e '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$file" || { echo "Not a public key: $url" >&2; exit 91; }
    fi
    [ -f "$file" ] || { echo "Not a valid key $file" >&2; exit 91; }
    known=$(g "$file" | awk -F: '$1 == "pub" { print $5; exit }')
    [ -n "$known" ] || { echo 'Unexpected gpg output' >&2; exit 91; }
    g --import --import-options show-only --dry-run "$file" | awk -F: '$1 == "fpr" { print "print", $10 }' >"$s/prints"
    cat "$s/prints"
fi
echo "id $known"
rpm -q gpg-pubkey >/dev/null 2>&1 && rpm -q gpg-pubkey --qf '%{description}\n' | g | awk -F: '$1 == "pub" || $1 == "sub" { print "have", $5 }'
:
