#!/bin/bash
# Hostile images and bombs: refused in a moment, with a reason and in little memory;
# nothing published, nothing outside read, no terminal steered, and whoever uses another
# image notices nothing.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need python3 gzip xz
cd "${TMP:?}" || exit 1
MEMORY_KIB=1500000 # of addresses: the largest limits of the formats are far below
CPU_SECONDS=8

tarball() { # NAME TEXT
	mkdir "r.$1"
	echo "$2" >"r.$1/id"
	head -c 2000000 /dev/urandom >"r.$1/random"
	tar -C "r.$1" --numeric-owner -czf "$1" .
}
tarball keep.tgz kept
"$CAPAS" import keep.tgz keep:1 >/dev/null || fail import
kept=$("$CAPAS" images -q --no-trunc keep:1)
if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
	"$CAPAS" mount keep:1 "$MNT" || fail mount
	mounted=yes
fi
echo "secret of the host" >victim
python3 "$SRC/tests/system/hostile-images.py" "$TMP/h" "$TMP/victim" || fail "no images"
"$CAPAS" ls keep:1 >/dev/null
before=$(cd "$CAPAS_ROOT" && find . -type f ! -path "./kept/*" | sort | xargs cksum)

# The other image is as it was, by its name, its mount and its files.
undisturbed() {
	[ "$("$CAPAS" images -q --no-trunc keep:1)" = "$kept" ] || fail "$1: keep:1 is another image"
	[ -z "${mounted-}" ] || { [ "$(cat "$MNT/id")" = kept ] && cmp -s r.keep.tgz/random "$MNT/random"; } || fail "$1: the mount is disturbed"
}
# bounded COMMAND...: in little time and memory
bounded() {
	(
		ulimit -v $MEMORY_KIB -t $CPU_SECONDS
		exec timeout 120 "$@" # a wall for what waits; the machine may be busy
	)
}
# denied WHAT COMMAND...
denied() {
	local what=$1 out rc=0
	shift
	out=$(bounded "$@" 2>&1) || rc=$?
	[ $rc = 1 ] || fail "$what: '$*' ended with $rc: $out"
	case $out in
	*secret*) fail "$what: tells what is in a file of the host: $out" ;;
	*$'\e'* | *$'\a'*) fail "$what: steers the terminal" ;;
	capas:* | *$'\n'capas:*) ;; # a slow one tells how far it is before
	*) fail "$what: no message: $out" ;;
	esac
}
n=0
for image in h/refuse-*; do
	if [ -d "$image" ]; then
		denied "$image" "$CAPAS" ls "oci:$image"
		# An archive of it must fare no better.
		case $image in
		*-fifo | *elsewhere) ;;
		*)
			tar -C "$image" -cf packed.tar .
			denied "$image, packed" "$CAPAS" load -i packed.tar
			;;
		esac
	else
		denied "$image" "$CAPAS" load -i "$image"
	fi
	n=$((n + 1))
done
[ "$n" -gt 80 ] || fail "only $n images"
undisturbed "hostile images"
"$CAPAS" fsck | grep -qx clean || fail fsck
"$CAPAS" gc >/dev/null || fail gc
[ "$before" = "$(cd "$CAPAS_ROOT" && find . -type f ! -path "./kept/*" | sort | xargs cksum)" ] || fail "the store is not what it was"

# ---- what may be taken, but said aloud, and steers nothing ----

out=$("$CAPAS" load -i h/odd-poison.tar 2>&1) || fail "load"
[[ $out = *"'keep:1' meant another image before"* ]] || fail "a name that was taken away is not told: $out"
[ "$("$CAPAS" cat keep:1:/id)" = hola ] || fail "the load did not name its image"
[ -z "${mounted-}" ] || [ "$(cat "$MNT/id")" = kept ] || fail "the mount changed under its user"
"$CAPAS" tag "${kept:7:12}" keep:1 || fail "the image that lost its name is lost"
"$CAPAS" gc --untagged >/dev/null || fail gc
tar -C h/odd-escapes -cf packed.tar . && "$CAPAS" load -i packed.tar >/dev/null || fail "load of escapes"
id=$("$CAPAS" images | awk '/<none>|^x /{print $3; exit}')
for command in images "images --no-trunc --digests" "history $id" "history --no-trunc $id" "inspect $id" fsck df mounts; do
	! "$CAPAS" $command 2>&1 | grep -q $'[\e\a]' || fail "'$command' steers the terminal"
done
undisturbed "names and words"

# ---- bombs ----

python3 - <<'P'
import gzip, io, tarfile
def tar(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)
def zeros(f, n):
    while n:
        k = min(n, 1 << 24)
        f.write(bytes(k))
        n -= k
with gzip.open("zeros.gz", "wb", 6) as f: # 300 MiB
    f.write(tar("zeros", 300 << 20))
    zeros(f, (300 << 20) + 1024)
with open("members.gz", "wb") as f: # 60,000 members of nothing
    f.write(gzip.compress(tar("a", 0)) + gzip.compress(b"") * 60000 + gzip.compress(bytes(1024)))
frame = bytes.fromhex("502a4d1804000000") + b"skip"
raw = tar("a", 0) + bytes(1024)
block = (len(raw) << 3 | 1).to_bytes(3, "little") + raw
with open("skips.zst", "wb") as f: # skippable frames around one
    f.write(frame * 50000 + bytes.fromhex("28b52ffd00") + b"\x10" + block + frame * 50000)
with open("window31.zst", "wb") as f: # a frame that wants a window of 2 GiB
    f.write(bytes.fromhex("28b52ffd00") + bytes([(31 - 10) << 3]) + block)
def special(kind, n):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, n
    return info.tobuf(tarfile.GNU_FORMAT) + b"x" * n
for name, kind in (("longname", b"L"), ("longlink", b"K"), ("pax", b"x"), ("global", b"g")):
    with open(name + ".large", "wb") as f:
        f.write(special(kind, 2 << 20) + raw)
def sparse(n, real):
    body = b"%d\n" % n + b"".join(b"%d\n1\n" % (i * 2) for i in range(n))
    body += bytes(-len(body) % 512)
    info = tarfile.TarInfo("GNUSparseFile.0/s")
    info.size = len(body) + n
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
                        "GNU.sparse.realsize": str(real)}
    return info.tobuf(tarfile.PAX_FORMAT) + body + b"y" * n + bytes(-(len(body) + n) % 512) + bytes(1024)
open("sparse.many", "wb").write(sparse(3000000, 60 << 30))
open("sparse.some", "wb").write(sparse(100000, 60 << 30))
open("sparse.hole", "wb").write(sparse(1, 60 << 30))
P
for f in window31.zst longname.large longlink.large pax.large global.large sparse.many; do
	denied "$f" "$CAPAS" import $f bad:1
done
for f in zeros.gz members.gz skips.zst sparse.some sparse.hole; do
	bounded "$CAPAS" import $f "bomb:$f" >/dev/null || fail "import $f"
	bounded "$CAPAS" ls -l "bomb:$f" >/dev/null || fail "ls $f"
done
if command -v zstd >/dev/null; then
	gzip -dc zeros.gz | zstd -q -o zeros.zst
	bounded "$CAPAS" import zeros.zst bomb:zstd >/dev/null || fail "import zeros.zst"
fi
used=$(du -sk "$CAPAS_ROOT" | cut -f1)
[ "$used" -lt 40000 ] || fail "bombs take $used KiB of the store"
if [ -n "${mounted-}" ]; then
	mkdir bomb
	for f in sparse.some sparse.hole; do
		"$CAPAS" mount "bomb:$f" bomb || fail "mount $f"
		[ "$(stat -c %s bomb/s)" = $((60 << 30)) ] || fail "$f: size"
		[ "$(stat -c %b bomb/s)" -lt 2000 ] || fail "$f: blocks"
		[ "$(timeout 60 head -c 3 bomb/s | od -An -tx1 | tr -d ' ')" = $([ $f = sparse.some ] && echo 790079 || echo 790000) ] || fail "$f: content"
		timeout 60 tail -c 1000000 bomb/s | cmp -s - <(head -c 1000000 /dev/zero) || fail "$f: its end"
		timeout 60 head -c 300000 bomb/s | cksum >/dev/null || fail "$f: reading hangs"
		"$CAPAS" umount bomb || fail umount
	done
fi
undisturbed bombs

# What has to be unpacked before it is read may not fill the disk.
if [ "$(id -u)" = 0 ]; then
	gzip -dc zeros.gz | xz -0 >zeros.xz
	mkdir small
	mount -t tmpfs -o size=64m tmpfs small || fail tmpfs
	denied zeros.xz "$CAPAS" --root "$TMP/small/store" import zeros.xz bomb:1
	refuses 1 "room" "$CAPAS" --root "$TMP/small/store" import zeros.xz bomb:1
	refuses 1 "room" "$CAPAS" --root "$TMP/small/store" load -i zeros.xz
	[ "$(du -sk small | cut -f1)" -lt 1000 ] || fail "the room is not given back"
	umount small
fi
[ -z "${mounted-}" ] || "$CAPAS" umount "$MNT" || fail umount
"$CAPAS" fsck | grep -qx clean || fail "fsck at the end"
echo "ok: $n images"
