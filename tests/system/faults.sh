#!/bin/bash
# Disks that are full, that fail, that rot: said clearly, never taken for success, and
# repaired by what can repair it.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need strace tar gzip zstd python3
fast_tmp
shopt -s nullglob
export SOURCE_DATE_EPOCH=1700000000
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"
cd "${TMP:?}" || exit 1

mkdir -p a/etc b/etc big
echo kept >a/etc/name
echo new >b/etc/name
head -c 300000 /dev/urandom >b/etc/random
for i in 1 2 3 4 5; do head -c 2000000 /dev/urandom >big/$i; done
seq 200000 >big/text
mkdir big/many
for i in $(seq 300); do echo "file $i" >big/many/$i; done
for d in a b big; do tar -C $d --numeric-owner --sort=name -cf $d.tar .; done
gzip -k b.tar big.tar
zstd -q -1 big.tar # one frame: transcoded into span/
"$CAPAS" --root other import b.tar.gz new:1 >/dev/null || fail import
"$CAPAS" --root other save -o b.oci new:1 || fail save
"$CAPAS" --root one import a.tar keep:1 >/dev/null || fail import

state() { (cd "$CAPAS_ROOT" && cksum index.json */sha256/*); }
unharmed() {
	local left=("$CAPAS_ROOT"/tmp/*) out
	[ ${#left[@]} = 0 ] || fail "$1: left in tmp/: ${left[*]}"
	# A folder that cannot be synced has the new name already: told as a failure, but whole.
	cmp -s "$CAPAS_ROOT/index.json" one/index.json ||
		{ [[ $1 = *" of fsync "* ]] && cmp -s "$CAPAS_ROOT/index.json" after.json; } || fail "$1: index.json changed"
	out=$("$CAPAS" fsck 2>&1) && [ "$out" = clean ] || fail "$1: fsck: $out"
}

# ---- a call that fails ----

# injected ERROR CALL N COMMAND...: 1 when there is no such call any more
injected() {
	local error=$1 call=$2 n=$3 rc where="$6 with $1 of $2 $3"
	shift 3
	rm -rf "${CAPAS_ROOT:?}"
	cp -a one "$CAPAS_ROOT"
	rc=0
	strace -f -o log -e trace=$call -e inject=$call:error=$error:when=$n "$@" >out 2>&1 || rc=$?
	grep -q INJECTED log || return 1
	[ $rc = 1 ] || fail "$where: ended with $rc: $(<out)"
	# What is beside the store (the answer, the archive) has a name of its own.
	# Each thread's calls are counted for themselves: the message may be what failed.
	[[ $(<out) = *"$CAPAS_ROOT"* || $(<out) = *"standard output"* ]] ||
		grep -q 'write(2, .*INJECTED' log || fail "$where: no path: $(<out)"
	[[ $(<out) = *"standard output"* ]] || unharmed "$where"
	"$@" >out 2>&1 || fail "$where: again: $(<out)"
	"$CAPAS" gc >/dev/null && state >now
	cmp -s now ref || fail "$where: another store: $(diff ref now)"
}
points=0
for command in "import b.tar.gz new:1" "load -i b.oci"; do
	rm -rf "${CAPAS_ROOT:?}"
	cp -a one "$CAPAS_ROOT"
	"$CAPAS" --quiet $command >/dev/null && state >ref || fail "$command"
	cp "$CAPAS_ROOT/index.json" after.json
	for call in write pwrite64 fsync fdatasync rename renameat renameat2 link linkat fchmod ftruncate; do
		for error in EIO ENOSPC; do
			n=1
			while injected $error $call $n "$CAPAS" --quiet $command; do
				n=$((n + 1))
				[ $n -lt 200 ] || fail "$command: $call never ends"
				points=$((points + 1))
			done
		done
	done
done
[ $points -gt 60 ] || fail "only $points points"

# The input cannot be read to its end.
rm -rf "${CAPAS_ROOT:?}"
cp -a one "$CAPAS_ROOT"
for n in 1 2; do
	refuses 1 "b.tar.gz" strace -f -o /dev/null -P "$TMP/b.tar.gz" -e trace=read -e inject=read:error=EIO:when=$n "$CAPAS" import "$TMP/b.tar.gz" new:1
	unharmed "a read that fails"
done

# ---- a disk that is full ----

if [ "$(id -u)" = 0 ]; then
	rm -rf "${CAPAS_ROOT:?}"
	mkdir "$CAPAS_ROOT"
	mount -t tmpfs -o size=3m,nr_inodes=60 tmpfs "$CAPAS_ROOT" || fail "tmpfs"
	"$CAPAS" import a.tar keep:1 >/dev/null || fail "import into a small store"
	"$CAPAS" import b.tar.gz new:1 >/dev/null || fail "import into a small store"
	free=$(stat -f -c %f "$CAPAS_ROOT")
	cp "$CAPAS_ROOT/index.json" before
	"$CAPAS" --root other import big.tar.gz big:1 >/dev/null && "$CAPAS" --root other save -o big.oci big:1 || fail save
	for command in "import big.tar.gz big:1" "import big.tar.zst big:1" "load -i big.oci"; do
		refuses 1 "$CAPAS_ROOT" "$CAPAS" $command
		refuses 1 "No space left" "$CAPAS" $command
		[ "$(stat -f -c %f "$CAPAS_ROOT")" = "$free" ] || fail "$command: the room is not given back"
		cmp -s before "$CAPAS_ROOT/index.json" || fail "$command: index.json changed"
		"$CAPAS" fsck | grep -qx clean || fail "$command: fsck on a full disk"
	done
	"$CAPAS" rmi new:1 >/dev/null || fail rmi
	cat /dev/zero >"$CAPAS_ROOT/fill" 2>/dev/null || true
	[ "$(stat -f -c %f "$CAPAS_ROOT")" = 0 ] || fail "the disk is not full"
	refuses 1 "No space left" "$CAPAS" tag keep:1 keep:2
	[ "$("$CAPAS" cat keep:1:/etc/name)" = kept ] || fail "an image on a full disk"
	"$CAPAS" gc >/dev/null || fail "gc on a full disk"
	[ "$(stat -f -c %f "$CAPAS_ROOT")" -gt 20 ] || fail "gc freed nothing"
	"$CAPAS" tag keep:1 keep:2 || fail "tag after gc"
	rm "$CAPAS_ROOT/fill"
	"$CAPAS" rmi keep:2 >/dev/null && "$CAPAS" import b.tar.gz new:1 >/dev/null && "$CAPAS" tag keep:1 new:1 || fail "an image without a name"
	"$CAPAS" import -m garbage b.tar.gz new:2 >/dev/null && "$CAPAS" rmi new:2 >/dev/null || fail "garbage"
	cat /dev/zero >"$CAPAS_ROOT/fill3" 2>/dev/null || true
	refuses 1 "No space left" "$CAPAS" rmi new:1
	"$CAPAS" gc --untagged | grep -q ' 1 untagged' || fail "gc --untagged on a full disk"
	rm "$CAPAS_ROOT"/fill*
	n=0
	while : >"$CAPAS_ROOT/fill$n"; do n=$((n + 1)); done 2>/dev/null
	refuses 1 "$CAPAS_ROOT" "$CAPAS" import b.tar.gz new:1
	"$CAPAS" gc >/dev/null || fail "gc without inodes"
	[ "$("$CAPAS" cat keep:1:/etc/name)" = kept ] || fail "an image without inodes"
	umount "$CAPAS_ROOT"
fi

# ---- derived files that rot ----

flip() { # FILE OFFSET
	chmod u+w "$1"
	local byte
	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	printf "\\x$(printf %02x $((byte ^ 0x24)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
picture() { "$CAPAS" ls -lR "$1" && "$CAPAS" cat "$1:/1" "$1:/5" "$1:/text" "$1:/many/7" "$1:/many/299"; }
for z in gz zst; do
	rm -rf "${CAPAS_ROOT:?}"
	"$CAPAS" import big.tar.$z big:1 >/dev/null || fail "import big.tar.$z"
	picture big:1 >want 2>err || fail "reading: $(<err)"
	derived=("$CAPAS_ROOT"/{index,seek,tree,span}/sha256/*)
	[ ${#derived[@]} = $([ $z = gz ] && echo 3 || echo 4) ] || fail "$z: derived files: ${derived[*]}"
	for f in "${derived[@]}"; do
		cp "$f" whole
		size=$(stat -c %s "$f")
		for how in 0 20 70 150 $((size / 4)) $((size / 2)) $((size * 3 / 4)) $((size - 9)) short empty gone; do
			case $how in
			short) chmod u+w "$f" && truncate -s $((size / 2)) "$f" ;;
			empty) chmod u+w "$f" && : >"$f" ;;
			gone) rm "$f" ;;
			*) flip "$f" "$how" ;;
			esac
			case $f in
			*/tree/*) ;;
			*) rm -f "$CAPAS_ROOT"/tree/sha256/* ;; # or nobody would look
			esac
			# Of the transcoded bytes each frame is checked when it is decoded.
			[[ $f != */span/* ]] || picture big:1 >have 2>err || true
			picture big:1 >have 2>err || fail "$f, damaged ($how): $(<err)"
			cmp -s want have || fail "$f, damaged ($how), changes what is seen"
			[ "$("$CAPAS" fsck)" = clean ] || fail "$f, damaged ($how), stays so: $("$CAPAS" fsck)"
		done
	done
done

# ---- blobs that rot ----

rm -rf "${CAPAS_ROOT:?}"
"$CAPAS" import big.tar.gz big:1 >/dev/null || fail import
"$CAPAS" save -o big.oci big:1 || fail save
"$CAPAS" import a.tar keep:1 >/dev/null || fail import
layer=$("$CAPAS" ls -l big:1 >/dev/null && cd "$CAPAS_ROOT/seek/sha256" && echo *)
blob=$CAPAS_ROOT/blobs/sha256/$layer
size=$(stat -c %s "$blob")
for f in "$CAPAS_ROOT"/blobs/sha256/*; do
	[ "$f" != "$blob" ] || continue
	digest=${f##*/}
	grep -q 'manifests\|layers\|rootfs' "$f" && grep -q "$layer\|big.tar.gz" "$f" || continue
	cp "$f" whole
	flip "$f" 30
	refuses 1 "$digest" "$CAPAS" ls big:1
	refuses 1 "$digest" "$CAPAS" fsck
	refuses 1 "big:1" "$CAPAS" fsck
	refuses 1 "$digest" "$CAPAS" gc
	"$CAPAS" ls keep:1 >/dev/null || fail "another image does not open"
	"$CAPAS" load -i big.oci >/dev/null || fail "load over a damaged document"
	cmp -s "$f" whole || fail "load did not repair $digest"
	documents=$((${documents-0} + 1))
done
[ "${documents-0}" = 2 ] || fail "${documents-0} documents of two were tried"

flip "$blob" $((size / 2))
refuses 1 "$layer" "$CAPAS" fsck
refuses 1 "big:1" "$CAPAS" fsck
refuses 1 "$layer" "$CAPAS" save -o x.tar big:1
[ ! -e x.tar ] || fail "a damaged image was saved"
"$CAPAS" load -i big.oci >/dev/null || fail "load over a damaged layer"
[ "$("$CAPAS" fsck)" = clean ] || fail "load did not repair the layer"
chmod u+w "$blob"
truncate -s $((size / 2)) "$blob"
refuses 1 "$layer" "$CAPAS" ls big:1
refuses 1 "$layer" "$CAPAS" fsck
"$CAPAS" load -i big.oci >/dev/null || fail "load over a short layer"
[ "$("$CAPAS" fsck)" = clean ] || fail "load did not repair the short layer"

# ---- the same below a mount ----

if [ ! -c /dev/fuse ] || [ "$(id -u)" != 0 ]; then
	echo "ok, without mounts"
	exit 0
fi
# under NAME: mount it in the foreground
under() {
	"$CAPAS" mount -f "$1" "$MNT" 2>mount.log &
	driver=$!
	for _ in $(seq 100); do
		mountpoint -q "$MNT" && return
		sleep 0.05
	done
	fail "no mount of $1: $(<mount.log)"
}
over() {
	"$CAPAS" umount "$MNT" || fail umount
	wait $driver || fail "the driver ended with $?: $(<mount.log)"
}
# Every read is right or an error; whatever lies before the damage is read.
only_right() {
	python3 - big "$MNT" <<-'P' || fail "wrong bytes"
		import errno, os, sys
		bad = 0
		for name in "1", "2", "3", "4", "5", "text":
		    want = open(os.path.join(sys.argv[1], name), "rb").read()
		    fd = os.open(os.path.join(sys.argv[2], name), os.O_RDONLY)
		    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
		    for off in range(0, len(want), 4096):
		        try:
		            got = os.pread(fd, 4096, off)
		        except OSError as e:
		            assert e.errno == errno.EIO, e
		            bad += 1
		            continue
		        assert got == want[off:off + 4096], "%s at %d" % (name, off)
		    os.close(fd)
		assert bad > 0, "nothing was noticed"
	P
	cmp -s big/1 "$MNT/1" || fail "what lies before the damage cannot be read"
	grep -q 'layer' mount.log || fail "no line in the log: $(<mount.log)"
	! cat "$MNT"/[1-5] >/dev/null 2>&1 || fail "a damaged file was read to its end"
}
under big:1
flip "$blob" $((size / 2))
only_right
cmp -s big/text "$MNT/text" || fail "a file behind the damage cannot be read"
"$CAPAS" load -i big.oci >/dev/null || fail load
over
under big:1
for f in 1 2 3 4 5 text; do cmp big/$f "$MNT/$f" || fail "after the repair"; done
over
# What was decoded before the damage would be given out, rightly.
rm "${CAPAS_ROOT:?}"/kept/sha256/* || fail "nothing was kept"
under big:1
chmod u+w "$blob"
truncate -s $((size / 2)) "$blob"
only_right
over
"$CAPAS" load -i big.oci >/dev/null || fail load

"$CAPAS" import big.tar plain:1 >/dev/null || fail import
plain=$CAPAS_ROOT/blobs/sha256/$(sha256sum <big.tar | cut -d' ' -f1)
under plain:1
chmod u+w "$plain"
truncate -s $(($(stat -c %s "$plain") / 2)) "$plain"
only_right
over
echo "ok: $points faults"
