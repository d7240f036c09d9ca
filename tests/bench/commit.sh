#!/bin/bash
# Committing what was written over one image: capas and buildah (kernel overlayfs).
# usage: tests/bench/commit.sh CAPAS LAYOUT TAG     (root; needs buildah)
#   ROUNDS=3     each figure is the median of so many rounds
#   FILES=10000  how many files are written, and how much in all:
#   MB=500
#   BENCH_DIR    where to work (/var/tmp)
#
# What is written is half text and half noise, in files of one size, in a hundred folders.
# The images are stored, not compressed: that is what both do unless asked. "again" is a
# second commit of the same changes: what is there already need not be stored.
. "$(dirname "$0")/lib.sh" || exit 1
use_layout "${2-}" "${3-}"
files=${FILES:-10000}
bytes=$((${MB:-500} * 1000000 / files))
need buildah

cat >"$TMP/fill.py" <<'P'
import os, random, sys
where, files, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
noise = random.Random(1)
text = b"the quick brown fox jumps over the lazy dog\n" * (size // 40 + 1)
for i in range(files):
    folder = f"{where}/written/{i % 100}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{i}", "wb") as f:
        f.write(noise.randbytes(size // 2) + text[:size - size // 2])
P
load_layout
bld() { buildah --root "$TMP/storage" --runroot "$TMP/run" --storage-driver overlay "$@"; }
finish() {
	bld rm -a >/dev/null 2>&1 || true
	bld rmi -a -f >/dev/null 2>&1 || true
	cleanup
}
trap finish EXIT

timed() { # timed NAME COMMAND...
	local name=$1 us
	shift
	sync
	us=$(took "$@")
	echo "$name $us" >>"$TMP/results"
}
for round in $(seq "$rounds"); do
	"$CAPAS" mount --rw --top "r$round" "$tag" "$MNT"
	python3 "$TMP/fill.py" "$MNT" "$files" "$bytes"
	timed capas-mounted "$CAPAS" commit "r$round" "new:$round"
	timed capas-again "$CAPAS" commit "r$round" "again:$round"
	"$CAPAS" umount "$MNT"
	"$CAPAS" rmi "new:$round" "again:$round" >/dev/null
	"$CAPAS" gc >/dev/null
	timed capas-unmounted "$CAPAS" commit "r$round" "new:$round"
	"$CAPAS" rmi "new:$round" >/dev/null
	"$CAPAS" rm "r$round" >/dev/null
	"$CAPAS" gc >/dev/null

	container=$(bld from "oci:$layout:$tag")
	python3 "$TMP/fill.py" "$(bld mount "$container")" "$files" "$bytes"
	timed buildah bld commit --quiet "$container" "new:$round"
	timed buildah-again bld commit --quiet "$container" "again:$round"
	bld rm "$container" >/dev/null
	bld rmi -f "new:$round" "again:$round" >/dev/null 2>&1 || true
done

python3 - "$TMP/results" "$files" "$bytes" <<'P'
import collections, statistics, sys
times = collections.defaultdict(list)
for line in open(sys.argv[1]):
    name, us = line.split()
    times[name].append(float(us) / 1e6)
t = {name: statistics.median(all) for name, all in times.items()}
print(f"{sys.argv[2]} files, {int(sys.argv[2]) * int(sys.argv[3]) / 1e6:.0f} MB\n")
print("| commit | capas | buildah | capas / buildah |")
print("|---|---|---|---|")
for what, mine, other in (("mounted", "capas-mounted", "buildah"),
                          ("unmounted", "capas-unmounted", "buildah"),
                          ("again", "capas-again", "buildah-again")):
    print(f"| {what} | {t[mine]:.2f} s | {t[other]:.2f} s | {t[mine] / t[other]:.2f} × |")
P
