#!/usr/bin/env bash
# The lab's release files are the right ones, its HTTP server and its registry serve them to the hosts.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
lab tmirror 10.92.0
export LAB_CACHE=/var/cache/bringup-lab
http=http://10.92.0.1:8077 registry=http://10.92.0.1:5077

check 'the release files come' "$REPO/lab/releases"
check 'each has the checksum that is listed' env -C "$LAB_DIR/releases" sha256sum --quiet -c SHA256SUMS
equal 'a second time nothing is got' '' "$("$REPO/lab/releases" | grep -vE 'already there|container images' || true)"
check 'an image archive has what docker and containerd read' python3 - "$LAB_DIR/releases/images/pause_1.tar" <<'END'
import hashlib, json, sys, tarfile
archive = tarfile.open(sys.argv[1])
(entry,) = json.load(archive.extractfile("manifest.json"))
config = json.load(archive.extractfile(entry["Config"]))
layer = archive.extractfile(entry["Layers"][0]).read()
assert entry["RepoTags"] == ["lab.local/pause:1"], entry
assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()], config
assert config["config"]["Entrypoint"] == ["/pause"], config
END

# A file of the folder that is not what lab/SHA256SUMS says must not be taken.
wrong=$(mktemp -d); trap 'rm -rf "$wrong"; end_of_test' EXIT
echo changed > "$wrong/runc-v1.4.3.amd64.xz"
out=$(env LAB_OFFLINE=1 LAB_CACHE="$wrong/cache" LAB_DIR="$wrong/lab" LAB_SOURCE="$wrong" PATH=/usr/bin:/bin:/usr/sbin "$REPO/lab/releases" runc 2>&1) && rc=0 || rc=$?
equal 'a changed file is not taken' "1 none" "$rc $(ls "$wrong/cache/releases/runc-v1.4.3.amd64" 2>/dev/null || echo none)"
check 'it says so' grep 'another one than lab/SHA256SUMS says: not taken' <<<"$out"
check 'and what to do instead' grep 'hint: install it from https://go.dev/dl, or put' <<<"$out"

# Upstream, played by a folder: what it publishes is verified, and refused if it is wrong.
up=$wrong/upstream/opencontainers/runc/releases/download/v1.4.3; mkdir -p "$up"
printf 'not really runc' > "$up/runc.amd64"
(cd "$up" && sha256sum runc.amd64 | sed 's/  / */' > runc.sha256sum && sed -i '1i 0000000000000000000000000000000000000000000000000000000000000000 *runc.arm64' runc.sha256sum)
releases_from_upstream() {
    env LAB_GITHUB="file://$wrong/upstream" LAB_CACHE="$wrong/cache" LAB_DIR="$wrong/lab" LAB_SOURCE=/nonexistent "$REPO/lab/releases" runc
}
check 'a release comes from upstream' releases_from_upstream
equal 'it is what was published' 'not really runc' "$(cat "$wrong/cache/releases/runc-v1.4.3.amd64")"
rm -f "$wrong"/cache/releases/{SHA256SUMS,runc*}; echo ' any more' >> "$up/runc.amd64"
refuse 'what is not what its checksum says is refused' releases_from_upstream
refuse 'and not kept' test -e "$wrong/cache/releases/runc-v1.4.3.amd64"

refuse 'no mirror without a network' "$REPO/lab/mirror" up
fleet up 1
check 'the mirror comes up' "$REPO/lab/mirror" up
check 'again' "$REPO/lab/mirror" up
on h1 apt-get install -qq -y curl >/dev/null 2>&1
sum=$(awk '$2 ~ /cni-plugins-linux-amd64/ {print $1}' "$LAB_DIR/releases/SHA256SUMS")
equal 'a host downloads a release' "$sum" "$(on h1 "curl -fsS $http/cni-plugins-linux-amd64-v1.9.1.tgz | sha256sum" | cut -c1-64)"
check 'images go into the registry' "$REPO/lab/mirror" push
check 'a host sees one there' on h1 "curl -fsS -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' $registry/v2/pause/manifests/1 | grep layers"
check 'the server says what was asked' grep cni-plugins <("$REPO/lab/mirror" log)
check 'the mirror goes' "$REPO/lab/mirror" down
refuse 'nobody listens any more' curl -sfm 2 "$http/SHA256SUMS"
refuse 'nor for images' curl -sfm 2 "$registry/v2/"
