#!/bin/bash
# Reading one real image through capas, kernel overlayfs and fuse-overlayfs in one run.
# usage: tests/bench/read.sh CAPAS LAYOUT TAG      (root; drops the page cache)
# Prints one Markdown table; times are medians of ROUNDS (default 5) runs.
set -eu -o pipefail
capas=$(readlink -f "$1")
layout=$(readlink -f "$2")
tag=$3
rounds=${ROUNDS:-5}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/capas-bench.XXXXXX")
export CAPAS_ROOT=$work/store
cleanup() {
	for m in cap ovl fovl; do umount -l "$work/$m" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT

gcc -O2 -D_GNU_SOURCE -o "$work/probe" "$here/probe.c"
now() { date +%s%N; }
drop() { sync; echo 3 >/proc/sys/vm/drop_caches; }
median() { sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'; }
# time_of COMMAND...: milliseconds
time_of() {
	local a b
	a=$(now); "$@" >/dev/null 2>&1; b=$(now)
	echo $(((b - a) / 1000)) | awk '{printf "%.2f\n", $1/1000}'
}

# The layers unpacked, as overlayfs wants them.
manifest=$(jq -r --arg t "$tag" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"]==$t) | .digest' "$layout/index.json")
mapfile -t layers < <(jq -r '.layers[].digest' "$layout/blobs/sha256/${manifest#sha256:}")
lower= untar_ms=0 blob_bytes=0
i=0
for digest in "${layers[@]}"; do
	blob=$layout/blobs/sha256/${digest#sha256:}
	mkdir -p "$work/l$i"
	drop
	t=$(time_of tar -C "$work/l$i" --xattrs --xattrs-include='*' --numeric-owner -xzf "$blob")
	untar_ms=$(echo "$untar_ms + $t" | bc)
	blob_bytes=$((blob_bytes + $(stat -c %s "$blob")))
	lower=$work/l$i${lower:+:$lower}
	i=$((i + 1))
done
tar_bytes=$(for d in "${layers[@]}"; do zcat "$layout/blobs/sha256/${d#sha256:}" | wc -c; done | paste -sd+ | bc)
mkdir -p "$work"/{cap,ovl,fovl}

drop
first_ms=$(time_of "$capas" mount "oci:$layout:$tag" "$work/cap")
"$capas" umount "$work/cap"
tar -C "$layout" -cf "$work/image.tar" .
"$capas" load -q -i "$work/image.tar" >/dev/null 2>&1 || "$capas" --quiet load -i "$work/image.tar" >/dev/null

mount_all() {
	"$capas" mount "$tag" "$work/cap"
	mount -t overlay -o "ro,lowerdir=$lower" overlay "$work/ovl"
	fuse-overlayfs -o "lowerdir=$lower" "$work/fovl"
}
umount_all() { for m in cap ovl fovl; do umount "$work/$m"; done; }

first_ls() {
	"$capas" mount "$tag" "$work/cap"
	ls "$work/cap" >/dev/null
}
known=$(for _ in $(seq "$rounds"); do time_of first_ls; "$capas" umount "$work/cap"; done | median)

declare -A result
row() { # row NAME cold|warm COMMAND with DIR as last argument
	local name=$1 heat=$2
	shift 2
	for m in cap ovl fovl; do
		result[$m]=$(for _ in $(seq "$rounds"); do
			if [ "$heat" = cold ]; then
				umount_all; drop; mount_all
			else
				"$@" "$work/$m" >/dev/null 2>&1 || true
			fi
			time_of "$@" "$work/$m"
		done | median)
	done
	print_row "$name" "${result[cap]}" "${result[ovl]}" "${result[fovl]}" ms
}
print_row() {
	awk -v n="$1" -v a="$2" -v b="$3" -v c="$4" -v u="$5" 'BEGIN {
		printf "| %s | %s %s | %s %s | %s %s | %.2f × | %.2f × |\n", n, a, u, b, u, c, u, a/b, a/c }'
}
readall() { tar -C "$1" --one-file-system -cf - . | cat >/dev/null; }
findall() { find "$1" -xdev -printf '%s\n'; }
py() { chroot "$1" python3 -c 'import json, ssl, email, http.client, xml.dom.minidom, unittest, asyncio, sqlite3, decimal, urllib.request'; }

mount_all
files=$(find "$work/ovl" -xdev | wc -l)
echo "Image: $files files, $((tar_bytes / 1000000)) MB of tar in ${#layers[@]} layers, $((blob_bytes / 1000000)) MB compressed."
echo
echo "| work | capas | kernel overlayfs | fuse-overlayfs | to overlayfs | to fuse-overlayfs |"
echo "|---|---|---|---|---|---|"
row "find, cold" cold findall
row "find, warm" warm findall
row "read everything, cold" cold readall
row "read everything, warm" warm readall
row "python imports, cold" cold py
row "python imports, warm" warm py
declare -A probe
for m in cap ovl fovl; do
	while read -r name us; do probe[$name.$m]=$us; done < <("$work/probe" "$work/$m")
done
for name in stat missing open random; do
	print_row "$name, warm" "${probe[$name.cap]}" "${probe[$name.ovl]}" "${probe[$name.fovl]}" µs
done
umount_all
share() { du -cb "$CAPAS_ROOT/$1" 2>/dev/null | tail -1 | cut -f1; }
echo
echo "| | |"
echo "|---|---|"
echo "| first mount, nothing known, from the layout | $first_ms ms = $(echo "$tar_bytes / 1000 / $first_ms" | bc) MB/s of tar; $(echo "scale=2; $first_ms / $untar_ms" | bc) × of tar xzf ($untar_ms ms) |"
echo "| mount of a known image to the first ls | $known ms |"
echo "| index files | $(share index) bytes, $(echo "scale=2; 100 * $(share index) / $blob_bytes" | bc) % of the blobs |"
echo "| seek tables | $(share seek) bytes, $(echo "scale=2; 100 * $(share seek) / $blob_bytes" | bc) % of the blobs |"
echo "| tree | $(share tree) bytes, $(($(share tree) / files)) a file |"
