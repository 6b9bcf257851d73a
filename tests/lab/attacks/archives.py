"""Archives that lie: archives.py FOLDER"""
import io, stat, sys, tarfile, zipfile

folder = sys.argv[1]


def tar(name, *members):
    with tarfile.open(f"{folder}/{name}.tar", "w", format=tarfile.GNU_FORMAT) as out:
        for kind, path, rest in members:
            info = tarfile.TarInfo(path)
            info.mode, info.type, info.mtime = 0o644, kind, 1700000000
            data = b""
            if kind == tarfile.REGTYPE:
                data = rest
                info.size = len(data)
            elif kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = rest
            elif kind in (tarfile.BLKTYPE, tarfile.CHRTYPE):
                info.devmajor, info.devminor = rest
            elif kind == tarfile.DIRTYPE:
                info.mode = 0o755
            out.addfile(info, io.BytesIO(data))


FILE, LINK, HARD, DIR = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
plain = (FILE, "plain", b"plain\n")
line = "-rw-r--r-- 0/0               5 2023-11-14 22:13:20 "
tar("good", (DIR, "sub", None), (FILE, "sub/file", b"x\n"), (LINK, "link", "sub/file"), plain)
# Names with `..` are refused by every tar; a way out is a link that the archive itself brings.
tar("forged", plain, (LINK, "way", "/etc"), (FILE, f"a\n{line}way/canary", b"x"))
tar("forged-owner", plain, (LINK, "way", "/etc"),
    (FILE, "b\n-rw-r--r-- root/root         5 2023-11-14 22:13:20 way/canary", b"x"),
    (FILE, "c\ndrwxr-xr-x root/root         0 2023-11-14 22:13:20 way/canary.d", b"x"))
tar("up", plain, (FILE, "../../../etc/canary", b"yours\n"))
tar("root", plain, (FILE, "/etc/canary", b"yours\n"))
tar("link", plain, (LINK, "way", "/etc/canary"), (FILE, "way2", b"x"))
tar("through", plain, (LINK, "way", "/etc/canary.d"), (FILE, "way/file", b"yours\n"), (FILE, "way/more", b"yours\n"))
tar("over", plain, (LINK, "way", "/etc/canary"), (FILE, "way", b"yours\n"))
tar("hard", plain, (HARD, "way", "/etc/canary"))
tar("standing", plain, (FILE, "standing/file", b"yours\n"), (FILE, "standing/more", b"yours\n"))
tar("device", plain, (tarfile.BLKTYPE, "disk", (8, 0)), (tarfile.CHRTYPE, "memory", (1, 1)))

with zipfile.ZipFile(f"{folder}/through.zip", "w") as out:
    way = zipfile.ZipInfo("way")
    way.create_system, way.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    out.writestr(way, "/etc/canary.d")
    out.writestr("way/file", "yours\n")
    out.writestr("plain", "plain\n")
with zipfile.ZipFile(f"{folder}/up.zip", "w") as out:
    out.writestr("../../../etc/canary", "yours\n")
    out.writestr("plain", "plain\n")
with zipfile.ZipFile(f"{folder}/standing.zip", "w") as out:
    out.writestr("standing/file", "yours\n")
    out.writestr("plain", "plain\n")
with zipfile.ZipFile(f"{folder}/forged.zip", "w") as out:
    out.writestr("a\n-rw-r--r--  3.0 unx        5 tx defN 20231114.221320 ../../etc/canary", "x")
    out.writestr("plain", "plain\n")
with zipfile.ZipFile(f"{folder}/good.zip", "w") as out:
    out.writestr("sub/file", "x\n")
    out.writestr("plain", "plain\n")
