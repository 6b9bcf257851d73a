"""Pushes an image archive (`docker save`'s layout, one layer) to a registry without TLS.

usage: push.py http://HOST:PORT FILE.tar
"""
import hashlib
import json
import sys
import tarfile
import urllib.error
import urllib.request

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def request(method, url, body=None, content_type=None, headers=None):
    headers = dict(headers or {})
    if content_type:
        headers["Content-Type"] = content_type
    return urllib.request.urlopen(urllib.request.Request(url, data=body, method=method, headers=headers))


def digest_of(stream):
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size


def push_blob(base, archive, member, media_type):
    digest, size = digest_of(archive.extractfile(member))
    try:
        request("HEAD", f"{base}/blobs/{digest}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        upload = request("POST", f"{base}/blobs/uploads/", b"").headers["Location"]
        joint = "&" if "?" in upload else "?"
        request("PUT", f"{upload}{joint}digest={digest}", archive.extractfile(member),
                "application/octet-stream", {"Content-Length": str(size)})
    return {"mediaType": media_type, "size": size, "digest": digest}


def main():
    registry, path = sys.argv[1:]
    with tarfile.open(path) as archive:
        (entry,) = json.load(archive.extractfile("manifest.json"))
        for reference in entry["RepoTags"]:
            name, tag = reference.split("/", 1)[1].rsplit(":", 1)
            base = f"{registry}/v2/{name}"
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": push_blob(base, archive, entry["Config"], CONFIG),
                "layers": [push_blob(base, archive, layer, LAYER) for layer in entry["Layers"]],
            }
            request("PUT", f"{base}/manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)
            print(f"{registry.split('//')[1]}/{name}:{tag}")


main()
