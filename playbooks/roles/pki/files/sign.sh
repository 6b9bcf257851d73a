#!/bin/sh
# Signs a request with an authority's key, by openssl: for keys and names that the playbooks' modules do not know.
#
#     sign.sh FOLDER FILE AUTHORITY DAYS USAGES [NAME,NAME..]
set -eu
cd "$1"; file=$2 authority=$3 days=$4 usages=$5 names=${6:-}
umask 077
new=$(mktemp -d ./.sign.XXXXXX)
trap 'rm -rf "$new"' EXIT
{
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "$usages"
    [ -z "$names" ] || printf 'subjectAltName=%s\n' "$names"
} >"$new/extensions"
openssl x509 -req -in "requests/$file.csr" -CA "$authority.crt" -CAkey "$authority.key" -passin pass: \
    -set_serial "0x4$(openssl rand -hex 15)" -days "$days" -extfile "$new/extensions" -out "$new/crt"
openssl verify -auth_level 0 -partial_chain -trusted "$authority.crt" "$new/crt" >/dev/null
chmod 644 "$new/crt"
mv -f "$new/crt" "$file.crt"
