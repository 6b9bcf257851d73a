# shellcheck shell=sh disable=SC2016,SC2154,SC2086
# Which keys apt trusts (`have FINGERPRINT`) and which are given (`given FINGERPRINT`). In front: $ring (words), $known (an id that saves reading what is given), given().
command -v apt-key >/dev/null || {
    echo 'the host has no apt-key: bring the key to /etc/apt/keyrings by `ansible.builtin.get_url`, and name it in the repository (`signed-by=`)' >&2; exit 90; }
command -v gpg >/dev/null || { echo 'the host has no gpg, which apt-key needs: install `gnupg`' >&2; exit 90; }
prints() { awk -F: -v word="$1" '$1 == "fpr" { print word, $10 }'; }
have=$(apt-key $ring adv --list-public-keys --with-colons --with-subkey-fingerprint 2>/dev/null | prints have)
printf '%s\n' "$have"
[ -z "$known" ] || case "$have
" in *"$known
"*) exit 0 ;; esac
key=$(given) || exit 91
[ -n "$key" ] || exit 0
# gpg wants a home, though it leaves nothing there; the user's own is none of its business.
home=$(mktemp -d) || exit 91
printf '%s\n' "$key" | gpg --homedir "$home" --batch --no-options --no-tty --quiet --with-colons --show-keys 2>/dev/null | prints given
rm -rf "$home"
