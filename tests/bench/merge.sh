#!/bin/bash
# What the number of entries and of layers costs: a synthetic image of many entries in
# few and in many layers, indexed, merged, mounted and walked.
# usage: tests/bench/merge.sh CAPAS BENCH_LAYERS    (root; build/ci/tests/bench.layers)
#   ENTRIES=1000000  LAYERS="1 16 128"  ROUNDS=3  BENCH_DIR=/var/tmp (2 GB)
. "$(dirname "$0")/lib.sh" || exit 1
maker=$(readlink -f "$2")
entries=${ENTRIES:-1000000}

ms() {
	local us
	us=$(took "$@")
	echo $((us / 1000))
}
mount_and_list() { "$CAPAS" mount "oci:$TMP/image:bench" "$MNT" && ls "$MNT"; }
# mounts BEFORE: the median of some mounts, BEFORE done ahead of each
mounts() {
	local i
	for ((i = 0; i < rounds; i++)); do
		"$1"
		ms mount_and_list
		umount "$MNT"
	done | median
}
no_index() { rm -rf "${CAPAS_ROOT:?}"; }
no_tree() { rm -rf "${CAPAS_ROOT:?}"/tree/sha256/*; }
share() { du -cb "$CAPAS_ROOT/$1" | tail -1 | cut -f1; }
memory() { # memory PID: "anonymous + file-backed" in KiB
	awk '$1 == "Rss:" {r=$2} $1 == "Anonymous:" {a=$2} END {print a " + " r - a}' \
		"/proc/$1/smaps_rollup"
}
serve() { # mount in the foreground; sets pid
	"$CAPAS" mount -f "oci:$TMP/image:bench" "$MNT" &
	pid=$!
	until mountpoint -q "$MNT"; do sleep 0.05; done
	ls "$MNT" >/dev/null
}
end() {
	umount "$MNT"
	wait "$pid"
}

measure() { # measure LAYERS: one row
	local first merge known tar_mb before after found peak walk pid
	rm -rf "${TMP:?}/image" "${CAPAS_ROOT:?}"
	"$maker" "$TMP/image" "$entries" "$1"
	tar_mb=$(($(cat "$TMP"/image/blobs/sha256/* | wc -c) / 1000000))
	first=$(mounts no_index)
	merge=$(mounts no_tree)
	known=$(mounts true)
	serve
	before=$(memory "$pid")
	walk=$(ms find "$MNT" -printf '%s %p\n')
	after=$(memory "$pid")
	found=$(find "$MNT" | wc -l)
	end
	no_tree
	serve
	peak=$(awk '/VmHWM/ {print $2}' "/proc/$pid/status")
	end
	printf '| %s | %s | %s | %s ms (%s MB/s) | %s ms | %s ms | %s | %s | %s MiB | %s | %s | %s.%s s |\n' \
		"$1" "$found" "$tar_mb" \
		$((first - merge)) $((tar_mb * 1000 / (first - merge))) \
		$((merge - known)) "$known" \
		$(($(share index) / found)) $(($(share tree) / found)) \
		$((peak / 1024)) "$before" "$after" $((walk / 1000)) $((walk % 1000 / 100))
}

load_before=$(load)
echo "| layers | entries seen | MB of tar | index | merge | mount of a known image to first ls | index B/entry | tree B/entry | peak of a merge | KiB when mounted, anonymous + file | KiB after find | find, first |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for n in ${LAYERS:-1 16 128}; do measure "$n"; done
echo
echo "$rounds rounds, load before $load_before, after $(load)."
