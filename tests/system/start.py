#!/usr/bin/env python3
"""Make the tree that the tests of the writable top start from.

usage: start.py DIR

DIR/l1 and DIR/l2 become two layers (whiteouts in l2), DIR/merged is what they are
together: every type, hard links, holes, owners, xattrs, ACLs, long names, depth.
"""
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import zlib

OLD = 978307200  # 2001: whatever is newer was changed by the test


def write(path, data, mode=0o644, owner=(0, 0)):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, *owner)
    os.chmod(path, mode)


def noise(seed, size):
    return hashlib.shake_128(seed.encode()).digest(size)


def acl(user):
    entries = [(1, 7, -1), (2, 6, user), (4, 5, -1), (16, 7, -1), (32, 4, -1)]
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, perm, who & 0xFFFFFFFF) for tag, perm, who in entries)


def files(top):
    for i in range(40):
        owner = [(0, 0), (1000, 1000), (1001, 0), (70000, 70000)][i % 4]
        write(f"{top}/files/f{i}", noise(f"f{i}", [0, 1, 100, 4096, 9000, 70000][i % 6]),
              [0o644, 0o600, 0o755, 0o666][i % 4], owner)
    for i in range(500):
        write(f"{top}/many/entry{i:03}", b"%d\n" % i)
    write(f"{top}/big/large", noise("large", 3 << 20))
    with open(f"{top}/big/sparse", "wb") as f:
        f.truncate(2 << 20)
        f.seek(500000)
        f.write(noise("sparse", 70000))
    os.makedirs(f"{top}/links/sub")
    for i in range(4):
        write(f"{top}/links/first{i}", noise(f"link{i}", 5000))
        os.link(f"{top}/links/first{i}", f"{top}/links/sub/second{i}")
        os.link(f"{top}/links/first{i}", f"{top}/third{i}")


def kinds(top):
    os.makedirs(f"{top}/kinds")
    os.mkfifo(f"{top}/kinds/fifo", 0o666)
    os.mknod(f"{top}/kinds/socket", 0o140755)
    os.mknod(f"{top}/kinds/null", 0o020666, os.makedev(1, 3))
    os.mknod(f"{top}/kinds/block", 0o060600, os.makedev(250, 7))
    # No target leads out of the tree, wherever its link is moved.
    os.symlink("block", f"{top}/kinds/good-link")
    os.symlink("/no/where", f"{top}/kinds/dangling")
    os.symlink("t" * 4000, f"{top}/kinds/long-link")
    os.symlink(".", f"{top}/kinds/folder-link")
    for c in "xyz":
        write(f"{top}/long/{c * 255}", c.encode())
    os.makedirs(f"{top}/long/{'d' * 255}/{'e' * 255}")
    write(f"{top}/deep" + "/d" * 120 + "/bottom", b"down here\n")
    write(f"{top}/names/new\nline", b"n")
    write(f"{top}/names/\udcff\udcfe", b"bytes")


def owners(top):
    write(f"{top}/priv/setuid", b"#!/bin/true\n", 0o4755)
    write(f"{top}/priv/setgid", b"#!/bin/true\n", 0o2777, (0, 1000))
    write(f"{top}/priv/caps", noise("caps", 3000), 0o777)
    os.setxattr(f"{top}/priv/caps", "security.capability",
                struct.pack("<IIIII", 0x02000001, 0x400, 0, 0, 0))
    for name, owner, mode in (("shared", (0, 1000), 0o2775), ("tmp", (0, 0), 0o1777)):
        os.makedirs(f"{top}/{name}")
        os.chown(f"{top}/{name}", *owner)
        os.chmod(f"{top}/{name}", mode)
    write(f"{top}/tmp/of1000", b"mine", 0o666, (1000, 1000))
    os.makedirs(f"{top}/home/sub/empty")
    for d in ("home", "home/sub", "home/sub/empty"):
        os.chown(f"{top}/{d}", 1000, 1000)
    write(f"{top}/x/attributes", b"with xattrs")
    os.setxattr(f"{top}/x/attributes", "user.a", b"first")
    os.setxattr(f"{top}/x/attributes", "user.b.c", b"")
    os.setxattr(f"{top}/x/attributes", "trusted.t", b"\0binary\0")
    os.setxattr(f"{top}/x", "user.a", b"folder")
    os.symlink("attributes", f"{top}/x/link")
    os.setxattr(f"{top}/x/link", "trusted.t", b"of a link", follow_symlinks=False)
    write(f"{top}/x/acl", b"with an ACL")
    os.setxattr(f"{top}/x/acl", "system.posix_acl_access", acl(1000))
    os.makedirs(f"{top}/x/inherit")
    os.setxattr(f"{top}/x/inherit", "system.posix_acl_default", acl(1001))


def below_layer_2(top):
    write(f"{top}/gone/file", b"deleted by layer 2")
    write(f"{top}/opaque/below", b"hidden by layer 2")
    write(f"{top}/type/was-file", b"a file")
    write(f"{top}/type/was-folder/inside", b"a folder")


def upper(l2, merged):
    """What the second layer changes, in the layer and in the merged tree."""
    shutil.rmtree(f"{merged}/gone")
    write(f"{l2}/.wh.gone", b"")
    shutil.rmtree(f"{merged}/opaque")
    write(f"{l2}/opaque/.wh..wh..opq", b"")
    os.remove(f"{merged}/many/entry007")
    write(f"{l2}/many/.wh.entry007", b"")
    os.remove(f"{merged}/type/was-file")
    shutil.rmtree(f"{merged}/type/was-folder")
    for top in (l2, merged):
        write(f"{top}/opaque/instead", noise("instead", 7000))
        write(f"{top}/files/f5", b"layer 2 wrote this", 0o640, (0, 1000))
        write(f"{top}/type/was-file/now", b"a folder")
        write(f"{top}/type/was-folder", b"a file")
        write(f"{top}/many/entry900", b"from layer 2")


def old_times(top):
    root = os.fsencode(top)
    paths = [root]
    for folder, folders, names in os.walk(root):
        paths += [os.path.join(folder, name) for name in folders + names]
    for path in sorted(paths):  # the last name of an inode decides, in every tree
        n = zlib.crc32(path[len(root):].strip(b"/"))
        when = (OLD + n % 10**7) * 10**9 + n % 10**9
        os.utime(path, ns=(when, when), follow_symlinks=False)


def main():
    base = sys.argv[1]
    os.umask(0o022)
    for name in ("l1", "l2"):
        os.makedirs(f"{base}/{name}")
    for part in (files, kinds, owners, below_layer_2):
        part(f"{base}/l1")
    subprocess.check_call(["cp", "-a", f"{base}/l1", f"{base}/merged"])
    upper(f"{base}/l2", f"{base}/merged")
    for name in ("l1", "l2", "merged"):
        old_times(f"{base}/{name}")


main()
