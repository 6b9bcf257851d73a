"""Pushes an image archive (`docker save`'s layout) to a registry without TLS.

usage: push.py [--lists] [--prefix PATH/] http://HOST:PORT FILE.tar

With --lists layers are packed and the tag names a list with an image for amd64 and one for arm64, as public registries have it. The one
for arm64 is FILE_arm64.tar; where there is none, what is in it is the same.
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import urllib.error
import urllib.request

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


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


def push_blob(base, opened, media_type):
    """`opened` gives the content anew each time it is called."""
    digest, size = digest_of(opened())
    try:
        request("HEAD", f"{base}/blobs/{digest}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        upload = request("POST", f"{base}/blobs/uploads/", b"").headers["Location"]
        joint = "&" if "?" in upload else "?"
        request("PUT", f"{upload}{joint}digest={digest}", opened(),
                "application/octet-stream", {"Content-Length": str(size)})
    return {"mediaType": media_type, "size": size, "digest": digest}


def push_layer(base, archive, member, packed):
    if not packed:
        return push_blob(base, lambda: archive.extractfile(member), LAYER)
    content = gzip.compress(archive.extractfile(member).read(), 1, mtime=0)
    return push_blob(base, lambda: io.BytesIO(content), LAYER + ".gzip")


def push_manifest(base, reference, manifest):
    content = json.dumps(manifest).encode()
    request("PUT", f"{base}/manifests/{reference or 'sha256:' + hashlib.sha256(content).hexdigest()}", content, manifest["mediaType"])
    return {"mediaType": manifest["mediaType"], "size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def push_image(base, reference, path, packed, architecture):
    """Pushes the archive's one image; `architecture` is what its configuration says instead of its own."""
    with tarfile.open(path) as archive:
        (entry,) = json.load(archive.extractfile("manifest.json"))
        layers = [push_layer(base, archive, layer, packed) for layer in entry["Layers"]]
        config = archive.extractfile(entry["Config"]).read()
    if architecture:
        config = json.dumps(dict(json.loads(config), architecture=architecture)).encode()
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": push_blob(base, lambda: io.BytesIO(config), CONFIG), "layers": layers}
    return push_manifest(base, reference, manifest)


def main():
    words = sys.argv[1:]
    lists = words[0] == "--lists" and bool(words.pop(0))
    prefix = words[:2][1] if words[0] == "--prefix" else ""
    registry, path = words[-2:]
    with tarfile.open(path) as archive:
        (entry,) = json.load(archive.extractfile("manifest.json"))
    for reference in entry["RepoTags"]:
        name, tag = reference.split("/", 1)[1].rsplit(":", 1)
        base = f"{registry}/v2/{prefix}{name}"
        if not lists:
            push_image(base, tag, path, False, "")
        else:
            images = []
            for architecture in ["amd64", "arm64"]:
                own = f"{path.removesuffix('.tar')}_{architecture}.tar"
                pushed = push_image(base, "", own if os.path.exists(own) else path, True, architecture)
                images.append(dict(pushed, platform={"architecture": architecture, "os": "linux"}))
            push_manifest(base, tag, {"schemaVersion": 2, "mediaType": LIST, "manifests": images})
        print(f"{registry.split('//')[1]}/{prefix}{name}:{tag}")


main()
