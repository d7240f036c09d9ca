#!/bin/bash
# What a change of the top costs in memory, in the log and when it is mounted again.
# usage: tests/bench/top.sh CAPAS      (root)
#   COUNT=100000  changes of each kind
. "$(dirname "$0")/lib.sh" || exit 1
need getfattr
count=${COUNT:-100000}

# The lower files: 1 KiB each, 1000 in a folder.
python3 - "$count" <<'P' | "$CAPAS" --quiet import - lower >/dev/null
import io, sys, tarfile
data = b"x" * 1024
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
    for i in range(int(sys.argv[1])):
        if i % 1000 == 0:
            folder = tarfile.TarInfo("d%d" % (i // 1000))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        entry = tarfile.TarInfo("d%d/f%d" % (i // 1000, i))
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
P

driver() { getfattr --only-values -n user.capas.driver "$MNT" 2>/dev/null; }
memory() { awk '/^RssAnon/ {print $2 * 1024}' "/proc/$(driver)/status"; }
# change KIND: all of them
change() {
	python3 - "$MNT" "$count" "$1" <<'P'
import os, sys
root, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
data = b"y" * 1024
for i in range(count):
    path = "%s/d%d/f%d" % (root, i // 1000, i)
    if kind == "chmod":
        os.chmod(path, 0o600)
    elif kind == "append":
        with open(path, "ab", 0) as f:
            f.write(data)
    elif kind == "unlink":
        os.unlink(path)
    else:
        with open(path + "n", "wb", 0) as f:
            f.write(data)
P
}

printf '%-8s %10s %14s %14s %14s %10s %10s\n' kind changes 'memory/change' 'again/change' 'log/change' 'change s' 'mount ms'
for kind in create chmod append unlink; do
	"$CAPAS" mount --rw --top "$kind" lower "$MNT"
	before=$(memory)
	change_us=$(took change "$kind")
	# The kernel forgets what it looked up: what is left is the top's own.
	echo 2 >/proc/sys/vm/drop_caches
	after=$(memory)
	log=$(stat -c %s "$CAPAS_ROOT/tops"/*/log | sort -n | tail -1)
	"$CAPAS" umount "$MNT"
	us=$(took "$CAPAS" mount --rw --top "$kind" lower "$MNT")
	again=$(memory)
	"$CAPAS" umount "$MNT"
	"$CAPAS" rm "$kind" >/dev/null 2>&1 || rm -rf "${CAPAS_ROOT:?}/tops"/*
	printf '%-8s %10d %14d %14d %14d %10.1f %10d\n' "$kind" "$count" $(((after - before) / count)) \
		$(((again - before) / count)) $((log / count)) "$((change_us / 1000))e-3" $((us / 1000))
done
