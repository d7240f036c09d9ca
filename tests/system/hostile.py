#!/usr/bin/env python3
"""Write hostile and odd archives into a folder.

usage: hostile.py DIR

refuse-NAME  must be refused with a clear message, nothing published
accept-NAME  must be taken, and hurt nothing outside when it is mounted and read
"""
import gzip
import os
import sys


def header(name, size=0, kind=b"0", link=b"", mode=0o644, magic=b"ustar\x0000",
           size_field=None, checksum=None, prefix=b""):
    size_field = size_field or b"%011o\0" % size
    h = (name.ljust(100, b"\0")[:100] + b"%07o\0" % mode + b"0000000\0" * 2 + size_field
         + b"00000000000\0" + b" " * 8 + kind + link.ljust(100, b"\0")[:100] + magic
         + b"\0" * 64 + b"0000000\0" * 2 + prefix.ljust(155, b"\0") + b"\0" * 12)
    value = sum(h) if checksum is None else checksum
    return h[:148] + b"%06o\0 " % value + h[156:]


def pad(data):
    return data + b"\0" * (-len(data) % 512)


def pax(records, kind=b"x"):
    body = b""
    for key, value in records:
        line = b" " + key + b"=" + value + b"\n"
        n = len(line)
        while len(b"%d" % n) + len(line) != n:
            n = len(b"%d" % n) + len(line)
        body += b"%d" % n + line
    return header(b"pax", len(body), kind) + pad(body)


def member(name, data=b"", **kw):
    return header(name, len(data), **kw) + pad(data)


END = b"\0" * 1024
FILE = member(b"victim", b"hola\n")
DIR = header(b"d/", kind=b"5", mode=0o755)

refuse = {
    "truncated-data": header(b"f", 5000) + b"x" * 600,
    "truncated-header": FILE + header(b"g")[:200],
    "checksum": FILE + header(b"g", checksum=1) + END,
    "lone-zero-block": FILE + b"\0" * 512 + member(b"g", b"x") + END,
    "negative-size": header(b"f", size_field=b"\xff" * 12) + END,
    "huge-size": header(b"f", size_field=b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7) + END,
    "pax-length-lies": header(b"pax", 20, b"x") + pad(b"999 path=evil\n") + FILE + END,
    "pax-nul-path": pax([(b"path", b"a\0b")]) + FILE + END,
    "pax-negative-size": pax([(b"size", b"-1")]) + FILE + END,
    "pax-too-large": pax([(b"comment", b"x" * (2 << 20))]) + FILE + END,
    "pax-bad-mtime": pax([(b"mtime", b"soon")]) + FILE + END,
    "long-component": pax([(b"path", b"n" * 256)]) + FILE + END,
    "long-path": pax([(b"path", b"/".join([b"d" * 200] * 25))]) + FILE + END,
    "root-is-a-symlink": header(b"./", kind=b"2", link=b"/etc") + END,
    "root-is-a-file": member(b".", b"data") + END,
    "whiteout-without-name": member(b".wh.") + END,
    "whiteout-dot": member(b"d/.wh..") + END,
    "whiteout-dotdot": member(b"d/.wh...") + END,
    "hardlink-nowhere": header(b"h", kind=b"1", link=b"/etc/shadow") + END,
    "hardlink-climbs": header(b"h", kind=b"1", link=b"../../../etc/shadow") + END,
    "hardlink-to-directory": DIR + header(b"h", kind=b"1", link=b"d") + END,
    "unknown-type": header(b"f", kind=b"Z") + END,
    "sparse-overlap": pax([(b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1"),
                           (b"GNU.sparse.size", b"100"),
                           (b"GNU.sparse.map", b"0,50,10,50")]) + member(b"s", b"x" * 100) + END,
    "pax-mtime-huge": pax([(b"mtime", b"99999999999999999999")]) + FILE + END,
    "pax-size-huge": pax([(b"size", b"9223372036854775807")]) + FILE + END,
    "pax-size-overflow": pax([(b"size", b"99999999999999999999")]) + FILE + END,
    "pax-nul-xattr": pax([(b"SCHILY.xattr.user.a\0b", b"x")]) + FILE + END,
    "dir-with-payload": header(b"d/", 5, b"5") + pad(b"hello") + FILE + END,
    "hardlink-with-payload": FILE + header(b"h", 5, b"1", b"victim") + pad(b"12345") + END,
    "hardlink-empty": FILE + header(b"h", kind=b"1") + END,
    "hardlink-to-itself": header(b"h", kind=b"1", link=b"h") + END,
    "symlink-empty": header(b"s", kind=b"2") + END,
    "file-under-file": FILE + member(b"victim/x", b"y") + END,
    "not-a-tar": b"<html>" + b"no such archive " * 200,
    "gzip-truncated": gzip.compress(FILE * 400 + END, mtime=0)[:-200],
    "gzip-crc": (lambda z: z[:-8] + b"\0\0\0\0" + z[-4:])(gzip.compress(FILE * 99 + END, mtime=0)),
    "gzip-garbage-after": gzip.compress(FILE + END, mtime=0) + b"garbage that is no member",
    "gzip-bitflip": (lambda z: z[:len(z) // 2] + bytes([z[len(z) // 2] ^ 0x10]) + z[len(z) // 2 + 1:])(
        gzip.compress(os.urandom(3000) * 3 + END, mtime=0)),
    "zstd-rubbish": b"\x28\xb5\x2f\xfd" + b"\xff" * 500,
    "empty": b"",
}

accept = {
    "climbing-name": member(b"../../../../escaped", b"x") + END,
    "absolute-name": member(b"/etc/absolute", b"x") + END,
    "through-symlink": header(b"l", kind=b"2", link=b"/victim-dir") + member(b"l/new", b"x") + END,
    "two-hops": (DIR + header(b"d/up", kind=b"2", link=b"..")
                 + header(b"d/up/escape", kind=b"2", link=b"../victim-dir")
                 + member(b"d/up/escape/new", b"x") + END),
    "control-names": pax([(b"path", b"a\x1b[31mred\nline\x07")]) + FILE + END,
    "latin1-name": member(b"caf\xe9", b"x") + END,
    "no-end": FILE,
    "garbage-after-end": FILE + END + b"garbage" * 100,
    "multi-member": gzip.compress(FILE, mtime=0) + gzip.compress(DIR + END, mtime=0),
    "last-wins": member(b"f", b"first") + member(b"f", b"second") + END,
    "global-pax": pax([(b"path", b"renamed")], b"g") + FILE + END,
    "device": header(b"mem", kind=b"3") + END,
    "setuid": member(b"su", b"#!/bin/sh\n", mode=0o6755) + END,
    "dirs-deep": b"".join(header(b"/".join([b"d"] * n) + b"/", kind=b"5") for n in range(1, 45)) + END,
    "hardlink-to-symlink": (header(b"l", kind=b"2", link=b"/etc/shadow")
                            + header(b"h", kind=b"1", link=b"l") + END),
    "whiteout-symlink": header(b".wh.x", kind=b"2", link=b"/etc") + END,
    "whiteout-dir": header(b".wh.x/", kind=b"5") + END,
    "deep-path": pax([(b"path", b"/".join([b"d"] * 2000))]) + DIR + END,
    "xattrs": pax([(b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
                   (b"SCHILY.xattr.user.overlay.redirect", b"/etc"),
                   (b"SCHILY.xattr.user.capas.layer", b"forged"),
                   (b"LIBARCHIVE.xattr.trusted.overlay.redirect", b"eA=="),
                   (b"LIBARCHIVE.xattr.user%2eoverlay.metacopy", b"eA=="),
                   (b"SCHILY.xattr.user.fine", b"1")]) + FILE + END,
    "zeros": gzip.compress(header(b"zeros", 256 << 20) + b"\0" * (256 << 20) + END, mtime=0),
}


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for kind, cases in (("refuse", refuse), ("accept", accept)):
        for name, data in cases.items():
            with open(os.path.join(out, f"{kind}-{name}"), "wb") as f:
                f.write(data)


main()
