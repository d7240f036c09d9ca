#!/bin/bash
# The driver under load: many readers at once, past the kernel's cache and with next to
# no cache of its own, see what one sees; a driver that is killed leaves what a umount
# cleans.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need python3 gzip
fast_tmp 1g
cd "${TMP:?}" || exit 1

# Text and noise, small and large, so that spans hold stored and compressed blocks.
python3 - root <<'P'
import os, random, sys
r = random.Random(7)
words = [bytes(r.randrange(97, 123) for _ in range(r.randrange(2, 9))) for _ in range(500)]
def text(n):
    return b" ".join(r.choice(words) for _ in range(n // 5))[:n]
for i in range(400):
    d = os.path.join(sys.argv[1], "d%d" % (i % 40))
    os.makedirs(d, exist_ok=True)
    n = r.choice((0, 10, 700, 4096, 20000, 70000))
    open(os.path.join(d, "f%d" % i), "wb").write(text(n) if i % 3 else r.randbytes(n))
for i in range(4):
    open(os.path.join(sys.argv[1], "big%d" % i), "wb").write(text(1500000) if i % 2 else r.randbytes(1500000))
P
tar -C root --numeric-owner -cf root.tar .
gzip -1k root.tar
"$CAPAS" import root.tar.gz gz:1 >/dev/null || fail import
zstd -q -1 root.tar -o root.tar.zst 2>/dev/null && "$CAPAS" import root.tar.zst zst:1 >/dev/null || "$CAPAS" tag gz:1 zst:1

# read.py WANT HAVE SEED: every file, in an order of its own, in pieces of odd sizes,
# straight from the driver; 3 when the driver goes away
cat >read.py <<'P'
import errno, mmap, os, random, sys
want, have, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
r = random.Random(seed)
paths = [os.path.join(d, f)[len(want) + 1:] for d, _, fs in os.walk(want) for f in fs]
r.shuffle(paths)
buf = mmap.mmap(-1, 1 << 20)
for path in paths:
    data = open(os.path.join(want, path), "rb").read()
    try:
        fd = os.open(os.path.join(have, path), os.O_RDONLY | os.O_DIRECT)
        offs = list(range(0, max(len(data), 1), 128 << 10))
        if seed % 2:
            r.shuffle(offs)
        for off in offs:
            n = os.preadv(fd, [memoryview(buf)[:128 << 10]], off)
            if buf[:n] != data[off:off + (128 << 10)]:
                sys.exit("%s at %d: other bytes" % (path, off))
        os.close(fd)
    except OSError as e:
        # A driver that was told to go has detached its mount: nothing is there.
        if e.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT):
            sys.exit(3)
        raise
P

readers() { # SECONDS
	local i
	pids=()
	for i in 1 2 3 4 5 6 7 8; do
		timeout "$1" python3 read.py root "$MNT" $i &
		pids+=($!)
	done
}
for run in "gz:1 cache_mb=1,threads=3" "gz:1 cache_mb=1,threads=16,spin_us=0" "zst:1 cache_mb=0"; do
	"$CAPAS" mount -o "${run#* }" "${run% *}" "$MNT" || fail "$run: mount"
	readers 60
	for p in "${pids[@]}"; do wait "$p" || fail "$run: a reader ended with $?"; done
	tar -C "$MNT" -cf - . | tar -C root -df - || fail "$run: tar sees something else"
	"$CAPAS" umount "$MNT" || fail "$run: umount"
done
refuses 1 "cache_mb" "$CAPAS" mount -o cache_mb=many gz:1 "$MNT"

# Killed in the middle: an error for those inside, and nothing in the way of the next.
for signal in KILL TERM; do
	"$CAPAS" mount -f -o cache_mb=1 gz:1 "$MNT" &
	driver=$!
	for _ in $(seq 100); do
		! mountpoint -q "$MNT" || break
		sleep 0.05
	done
	readers 60
	sleep 0.5
	kill -$signal $driver
	gone=0
	for p in "${pids[@]}"; do
		rc=0
		wait "$p" || rc=$?
		[ $rc = 3 ] && gone=$((gone + 1))
		[ $rc = 3 ] || [ $rc = 0 ] || fail "SIG$signal: a reader ended with $rc"
		[ $rc != 124 ] || fail "SIG$signal: a reader hangs"
	done
	wait $driver || [ $signal = KILL ] || fail "SIGTERM: the driver ended with $?"
	if [ $signal = KILL ]; then
		[ $gone -gt 0 ] || fail "nobody was reading when the driver was killed"
		refuses 2 "not connected" ls "$MNT"
		"$CAPAS" mounts | grep -q "$MNT" || fail "a dead mount is not shown"
		"$CAPAS" umount "$MNT" || fail "umount of a dead mount"
	fi
	! mountpoint -q "$MNT" || fail "SIG$signal: still mounted"
done
"$CAPAS" mount gz:1 "$MNT" || fail "mount after all that"
cmp root/big1 "$MNT/big1" || fail "reading after all that"
"$CAPAS" umount "$MNT" || fail umount
echo ok
