#!/bin/bash
# A process that becomes another program closes its files while the kernel holds a lock
# on it. What it had mapped and changed is written back then; the driver, which wants to
# know who writes, must not wait for that lock.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need python3
make_root
"$CAPAS" import "$TMP/root.tar" hola >/dev/null

for options in nowriteback writeback; do
	"$CAPAS" mount --rw --top "exec-$options" -o "$options" hola "$MNT"
	timeout -s KILL 60 python3 - "$MNT" <<'P' || fail "exec with a file of the mount open ($options)"
import mmap, os, sys
for i in range(50):
    if os.fork():
        assert os.wait()[1] == 0
        continue
    fd = os.open(f"{sys.argv[1]}/file{i}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.ftruncate(fd, 8192)
    mapped = mmap.mmap(fd, 8192)
    mapped[:5] = b"hola\n"
    os.execv("/bin/true", ["true"])
P
	for i in 0 49; do
		[ "$(head -c 4 "$MNT/file$i")" = hola ] || fail "what was mapped is lost ($options)"
	done
	"$CAPAS" umount "$MNT"
done
echo ok
