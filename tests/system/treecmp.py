#!/usr/bin/env python3
"""Compare two directory trees in everything a layer can hold.

usage: treecmp.py [--ignore-xattr PREFIX]... [--ns-floor] [--no-holes] A B

Name, type, mode, owner, size, modification time, xattrs, hard-link groups, device
numbers, link targets, content and (where both can tell) holes. Prints each difference;
exit status 1 if there was any.
"""
import hashlib
import os
import stat
import sys


def holes(path, size):
    """The data ranges of a file, to 4 KiB, as the kernel reports them."""
    found = []
    with open(path, "rb") as f:
        at = 0
        while at < size:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            found.append((start & ~4095, min((end + 4095) & ~4095, (size + 4095) & ~4095)))
            at = end
    return found


def content(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def xattrs(path, ignored):
    result = {}
    for name in os.listxattr(path, follow_symlinks=False):
        if not any(name.startswith(p) for p in ignored):
            result[name] = os.getxattr(path, name, follow_symlinks=False)
    return result


def describe(root, rel, st, groups, options):
    path = os.path.join(root, rel)
    d = {
        "type": stat.S_IFMT(st.st_mode),
        "mode": oct(stat.S_IMODE(st.st_mode)),
        "owner": (st.st_uid, st.st_gid),
        "mtime": st.st_mtime_ns // (10**9 if options["floor"] else 1),
        "xattrs": xattrs(path, options["ignored"]),
    }
    if stat.S_ISREG(st.st_mode):
        d["size"] = st.st_size
        d["content"] = content(path)
    if not stat.S_ISDIR(st.st_mode):
        d["links"] = st.st_nlink
        if st.st_nlink > 1:
            d["group"] = groups.setdefault(st.st_ino, rel)
    if stat.S_ISLNK(st.st_mode):
        d["target"] = os.readlink(path)
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        d["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    return d


def walk(root):
    found = {b".": os.lstat(root)}
    todo = [b""]
    while todo:
        rel = todo.pop()
        with os.scandir(os.path.join(root, rel)) as it:
            for e in it:
                name = os.path.join(rel, e.name)
                found[name] = e.stat(follow_symlinks=False)
                if e.is_dir(follow_symlinks=False):
                    todo.append(name)
    return found


def main():
    options = {"ignored": [], "floor": False}
    args = sys.argv[1:]
    with_holes = True
    while args and args[0].startswith("--"):
        flag = args.pop(0)
        if flag == "--ignore-xattr":
            options["ignored"].append(args.pop(0))
        elif flag == "--ns-floor":
            options["floor"] = True
        elif flag == "--no-holes":
            with_holes = False
        else:
            sys.exit(f"unknown option {flag}")
    a, b = (os.fsencode(p) for p in args)
    left, right = walk(a), walk(b)
    bad = 0

    def complain(rel, what):
        nonlocal bad
        bad += 1
        if bad <= 50:
            print(f"{os.fsdecode(rel)!r}: {what}")

    for rel in sorted(left.keys() | right.keys()):
        if rel not in left:
            complain(rel, "only in the second")
        elif rel not in right:
            complain(rel, "only in the first")
    groups_a, groups_b = {}, {}
    common = sorted(left.keys() & right.keys())
    for rel in common:
        da = describe(a, rel, left[rel], groups_a, options)
        db = describe(b, rel, right[rel], groups_b, options)
        for key in da.keys() | db.keys():
            if da.get(key) != db.get(key):
                complain(rel, f"{key}: {da.get(key)} != {db.get(key)}")
        if with_holes and stat.S_ISREG(left[rel].st_mode) and left[rel].st_size > 1 << 16:
            size = left[rel].st_size
            ha = holes(os.path.join(a, rel), size)
            hb = holes(os.path.join(b, rel), size)
            if sum(e - s for s, e in ha) != sum(e - s for s, e in hb):
                complain(rel, f"holes: {ha[:4]} != {hb[:4]}")
    print(f"{len(common)} entries compared, {bad} differences")
    return 1 if bad or len(common) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
