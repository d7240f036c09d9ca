#!/bin/bash
# cp takes files out of an image as docker cp does, whole, and never writes elsewhere.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need python3
make_root
ln -s no/where "$TMP/root/dangling"
ln -s etc "$TMP/root/etc-link"
chmod 1777 "$TMP/root/deep"
mkdir -m 0500 "$TMP/root/deep/closed"
touch -d '1999-01-01' "$TMP/root/deep/er" "$TMP/root/deep/closed"
root=
if [ "$(id -u)" = 0 ]; then
	root=yes
	chown 1234:5678 "$TMP/root/deep/er/random"
	chmod 4755 "$TMP/root/deep/er/random"
	python3 - "$TMP/root" <<'P' || skip "no xattrs here"
import os, sys
os.setxattr(sys.argv[1] + "/etc/greeting", "user.note", b"hola")
os.setxattr(sys.argv[1] + "/deep/er/random", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
P
fi
tar -C "$TMP/root" --format=pax --numeric-owner --sparse --xattrs --xattrs-include='*' -cf "$TMP/root.tar" .
gzip -k "$TMP/root.tar"
"$CAPAS" import "$TMP/root.tar.gz" img:1 >/dev/null || fail import
cmp_tree() { python3 "$SRC/tests/system/treecmp.py" "$@" || fail "trees differ: $*"; }
cd "${TMP:?}" || exit 1

# ---- everything arrives as it is ----
if [ $root ]; then
	"$CAPAS" cp -a img:1:/ all || fail "cp -a of the root"
	cmp_tree root all
	"$CAPAS" cp -a "tar:$TMP/root.tar:/." all2 || fail "cp -a from tar:"
	cmp_tree root all2
	"$CAPAS" cp -a img:1:/. all || fail "cp -a over what is there"
	cmp_tree root all
	[ -z "$(find all -name '.capas*')" ] || fail "unfinished files are left"
fi
# Where the file system keeps holes at all.
if [ "$(stat -c %b root/deep/hole)" -lt 100 ]; then
	"$CAPAS" cp img:1:/deep/hole hole || fail "cp of a file with holes"
	[ "$(stat -c %s hole)" = 1048576 ] || fail "the size of a file with holes"
	[ "$(stat -c %b hole)" -lt 100 ] || fail "holes became zeros"
fi

# ---- docker cp's rules, one by one ----
"$CAPAS" cp img:1:/etc/greeting new || fail "a file to a name"
cmp new root/etc/greeting || fail "other bytes"
[ "$(stat -c %y new)" = "$(stat -c %y root/etc/greeting)" ] || fail "another time"
echo old >existing
ln existing existing-link
"$CAPAS" cp img:1:/etc/greeting existing || fail "onto a file"
cmp existing root/etc/greeting || fail "the file was not replaced"
[ "$(cat existing-link)" = old ] || fail "the file was written into, not replaced"
mkdir folder
"$CAPAS" cp img:1:/etc/greeting folder || fail "into a folder"
cmp folder/greeting root/etc/greeting || fail "the file is not in the folder"
refuses 1 "no such folder" "$CAPAS" cp img:1:/etc/greeting missing/
refuses 1 "missing" "$CAPAS" cp img:1:/etc/greeting missing/x
"$CAPAS" cp img:1:/etc fresh || fail "a folder to a name"
[ -e fresh/greeting ] || fail "the folder did not become DST"
"$CAPAS" cp img:1:/etc folder || fail "a folder into a folder"
[ -e folder/etc/greeting ] || fail "the folder is not in the folder"
"$CAPAS" cp img:1:/deep/. folder || fail "the content of a folder"
[ -e folder/er/random ] || fail "/. does not copy the content"
[ ! -e folder/deep ] || fail "/. copies the folder itself"
refuses 1 "cannot be copied" "$CAPAS" cp img:1:/etc existing
refuses 1 "Not a directory" "$CAPAS" cp img:1:/etc/greeting/. folder
refuses 1 "Not a directory" "$CAPAS" cp img:1:/etc/greeting/ folder
refuses 1 "No such file" "$CAPAS" cp img:1:/etc/nothing folder
mkdir -p clash/random/x
refuses 1 "folder here" "$CAPAS" cp img:1:/deep/er/random clash
[ -d clash/random/x ] || fail "a folder was replaced by a file"
refuses 1 "neither a file" "$CAPAS" cp img:1:/etc/greeting /dev/null
[ -c /dev/null ] || fail "/dev/null is gone"
refuses 2 "PATH begins" "$CAPAS" cp img:1 folder
refuses 2 "wants SOURCE:PATH" "$CAPAS" cp img:1:/etc
"$CAPAS" cp img:1:/bin/link l || fail "a link"
[ "$(readlink l)" = ../etc/greeting ] || fail "a link is not copied as a link"
"$CAPAS" cp -L img:1:/bin/link followed || fail -L
cmp followed root/etc/greeting || fail "-L does not follow"
"$CAPAS" cp img:1:/etc-link/ through || fail "a link with a slash"
[ -e through/greeting ] || fail "a slash does not follow the link"
"$CAPAS" cp img:1:/dangling d || fail "a dangling link"
[ "$(readlink d)" = no/where ] || fail "a dangling link"
refuses 1 "leads nowhere" "$CAPAS" cp img:1:/etc/greeting d
"$CAPAS" cp img:1:/etc/../deep/er up || fail ".."
[ -e up/random ] || fail "PATH with .. in it"

# ---- without -a: ours, and nothing that could hurt ----
[ "$(stat -c %u:%g up/random)" = "$(id -u):$(id -g)" ] || fail "the owner is not the caller"
[ "$(stat -c %a up/random)" = 755 ] || fail "a set-id bit was kept without -a: $(stat -c %a up/random)"
if [ $root ]; then
	"$CAPAS" cp img:1:/. bare 2>err || fail "cp of the root without -a"
	[ ! -e bare/null ] || fail "a device was made without -a"
	grep -q 'devices are left out (1)' err || fail "nothing is said of the device"
	[ "$(stat -c %a bare/deep/er/random)" = 755 ] || fail "set-id without -a"
	[ -z "$(getfattr -d -m - bare/deep/er/random 2>/dev/null)" ] || fail "a capability without -a"
	[ bare/etc/greeting -ef bare/deep/hard ] || fail "hard links are not kept"
	[ -p bare/fifo ] || fail "a fifo is not kept"
	[ "$(stat -c %a bare/deep)" = 1777 ] || fail "the mode of a folder"
	[ "$(stat -c %a bare/deep/closed)" = 500 ] || fail "the mode of a closed folder"
	[ "$(stat -c %Y bare/deep/closed)" = "$(stat -c %Y root/deep/closed)" ] || fail "the time of a folder"
fi
# A folder that was there keeps its own mode.
mkdir -m 0751 kept
"$CAPAS" cp img:1:/deep/. kept || fail "the content into a folder"
[ "$(stat -c %a kept)" = 751 ] || fail "the mode of a folder that was there"
mkdir -p kept/deep
chmod 0751 kept/deep
"$CAPAS" cp img:1:/deep kept || fail "a folder into its like"
[ "$(stat -c %a kept/deep)" = 751 ] || fail "the mode of a folder below DST that was there"

# ---- an archive ----
"$CAPAS" cp img:1:/deep - >deep.tar || fail "cp to -"
tar -tf deep.tar >deep.list || fail "tar refuses the archive"
[ "$(head -1 deep.list)" = deep/ ] || fail "the first member of the archive"
mkdir untar
tar -C untar -xf deep.tar || fail "tar refuses the archive"
cmp untar/deep/er/random root/deep/er/random || fail "what tar makes of the archive"
if [ $root ]; then
	"$CAPAS" cp img:1:/. - >all.tar || fail "the root to -"
	"$CAPAS" import all.tar again >/dev/null || fail "import refuses the archive"
	"$CAPAS" cp -a again:/ all3 || fail "the archive does not come back"
	cmp_tree --no-holes root all3
fi
"$CAPAS" cp img:1:/etc/greeting - | tar -xOf - greeting | cmp - root/etc/greeting || fail "a file to -"

# ---- hostile images ----
mkdir -p victim out
echo untouched >victim/mark
chmod 600 victim/mark
victim() { (cd "${TMP:?}/victim" && find . -printf '%p %m %u %s %T@ %l\n' | sort && cat mark) | sha256sum; }
before=$(victim)
python3 - "$TMP" <<'P' || fail "no hostile archives"
import io, sys, tarfile
tmp = sys.argv[1]
def make(name, *entries):
    with tarfile.open(f"{tmp}/{name}.tar", "w", format=tarfile.PAX_FORMAT) as t:
        for path, kind, value in entries:
            i = tarfile.TarInfo(path)
            i.mode = 0o6777
            i.type = kind
            if kind == tarfile.REGTYPE:
                i.size = len(value)
                t.addfile(i, io.BytesIO(value))
            else:
                i.linkname = value
                t.addfile(i)
S, R, D, H = tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE
v = f"{tmp}/victim"
# A link and something behind it, in one layer.
make("h1", ("d", S, v), ("d/new", R, b"bad"), ("d/mark", R, b"bad"))
make("h2", ("a", S, "../../../../../../../../../" + v), ("a/mark", R, b"bad"))
make("h3", ("mark", S, f"{v}/mark"), ("x/l", S, f"{v}/new"), ("x/m", H, "mark"))
# First a link alone, then a folder or a file of that name from another image.
make("link", ("d", S, v), ("f", S, f"{v}/mark"), ("h", S, f"{v}/mark"))
make("over", ("d/new", R, b"bad"))
make("file", ("f", R, b"good"), ("h", R, b"good"), ("h2", H, "h"))
make("dots", ("../up", R, b"bad"), ("../../etc/up", R, b"bad"), (f"{v}/abs", R, b"bad"))
make("deep", *[("/".join(["d"] * n), D, "") for n in range(1, 1500)])
P
for h in h1 h2 h3 dots; do
	"$CAPAS" import $h.tar h:$h >/dev/null || fail "import of $h"
	mkdir "out/$h"
	"$CAPAS" cp -a h:$h:/. "out/$h" || fail "cp of $h"
	"$CAPAS" cp h:$h:/. "out/$h" || fail "cp of $h once more"
done
[ "$(readlink out/h1/d)" = "$TMP/victim" ] || fail "h1: the link"
[ "$(readlink out/h3/x/m)" = "$TMP/victim/mark" ] || fail "h3: a hard link to a link"
for h in link over file deep; do
	"$CAPAS" import $h.tar h:$h >/dev/null || fail "import of $h"
done
mkdir merge
"$CAPAS" cp h:link:/. merge || fail "cp of links"
refuses 1 "something else here" "$CAPAS" cp h:over:/. merge
refuses 1 "something else here" "$CAPAS" cp -a h:over:/d merge
"$CAPAS" cp h:file:/. merge || fail "files over links"
[ ! -L merge/f ] || fail "a link is not replaced by the file"
[ "$(cat merge/f)" = good ] || fail "the file that took a link's place"
[ merge/h -ef merge/h2 ] || fail "a hard link to a file that took a link's place"
[ "$before" = "$(victim)" ] || fail "something outside was touched"
# One descriptor a folder: deeper than what a process may open by default.
(ulimit -Sn 256 && "$CAPAS" cp h:deep:/d deepest) || fail "a deep tree"
[ "$(find deepest -type d | wc -l)" = 1499 ] || fail "a deep tree is not whole"
[ "$before" = "$(victim)" ] || fail "something outside was touched"

# ---- a failure leaves no half of a file ----
if [ $root ]; then
	mkdir small
	if mount -t tmpfs -o size=64k none "${TMP:?}/small" 2>/dev/null; then
		refuses 1 "No space" "$CAPAS" cp img:1:/deep/er/random small
		[ -z "$(ls -A small)" ] || fail "half a file is left"
		echo old >small/random
		refuses 1 "No space" "$CAPAS" cp img:1:/deep/er/random small/random
		[ "$(cat small/random)" = old ] || fail "the old file is gone"
		[ "$(ls -A small)" = random ] || fail "half a file is left beside the old one"
	fi
fi
echo ok
