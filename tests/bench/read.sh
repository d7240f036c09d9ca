#!/bin/bash
# Reading one real image through capas, kernel overlayfs and fuse-overlayfs in one run.
# usage: tests/bench/read.sh CAPAS LAYOUT TAG      (root; drops the page cache)
#   ROUNDS=3     each figure is the median of so many rounds
#   ONLY=REGEX   rows to measure
#
# The contenders take turns inside every round, each round beginning with another, so
# that a machine whose speed wanders slows all of them. "cold": page cache, dentries and
# inodes are dropped after mounting (what capas keeps of decoded content in its store
# stays, so only the first round decodes it); "from mount": dropped before, the mount counts.
. "$(dirname "$0")/lib.sh" || exit 1
use_layout "${2-}" "${3-}"
only=${ONLY:-.}
need fuse-overlayfs cc zcat

contenders=(cap ovl fovl)
cc -O2 -D_GNU_SOURCE -o "$TMP/probe" "$SRC/tests/bench/probe.c"
mkdir -p "${TMP:?}"/{cap,ovl,fovl,first}

# ---- clocks ----

# ms COMMAND...: how long it took
ms() {
	local us
	us=$(took "$@")
	printf '%d.%03d\n' $((us / 1000)) $((us % 1000))
}
wanted() { [[ $1 =~ $only ]]; }
# turns ROUND: the contenders, another one first every round
turns() {
	local i n=${#contenders[@]}
	for ((i = 0; i < n; i++)); do echo "${contenders[(i + $1) % n]}"; done
}

# ---- the contenders ----

use_layers "$TMP"
blob_bytes=0 tar_bytes=0
for blob in "${blobs[@]}"; do
	blob_bytes=$((blob_bytes + $(stat -c %s "$blob")))
	tar_bytes=$((tar_bytes + $(zcat "$blob" | wc -c)))
done

mount_one() {
	case $1 in
	cap) "$CAPAS" mount "$tag" "$TMP/cap" ;;
	ovl) mount -t overlay -o "ro,lowerdir=$lower" overlay "$TMP/ovl" ;;
	fovl) fuse-overlayfs -o "lowerdir=$lower" "$TMP/fovl" 2>/dev/null ;;
	esac
}
umount_one() { umount "${TMP:?}/$1"; }

# ---- rows ----

declare -A samples
note() { samples[$1]+="$2 "; } # note CONTENDER FIGURE
middle() { tr ' ' '\n' <<<"${samples[$1]}" | sed '/^$/d' | median; }
# print_row NAME UNIT BUDGET; a budget is the most that capas / overlayfs may be
print_row() {
	awk -v n="$1" -v u="$2" -v limit="$3" -v a="$(middle cap)" -v b="$(middle ovl)" \
		-v c="$(middle fovl)" 'BEGIN {
		verdict = limit == "" ? "" : (a / b <= limit + 0.005 ? "met" : "missed")
		printf "| %s | %s %s | %s %s | %s %s | %.2f × | %.2f × | %s | %s |\n",
			n, a, u, b, u, c, u, a / b, a / c, limit, verdict }'
	samples=()
}
# row NAME BUDGET cold|warm|mount COMMAND...   DIR is the command's last argument
row() {
	local name=$1 limit=$2 heat=$3 round m t
	shift 3
	wanted "$name" || return 0
	for ((round = 0; round < rounds; round++)); do
		for m in $(turns "$round"); do
			if [ "$heat" = mount ]; then
				drop
				t=$(ms from_mount "$m" "$@")
			else
				mount_one "$m"
				[ "$heat" = cold ] || "$@" "$TMP/$m" >/dev/null
				[ "$heat" = warm ] || drop
				t=$(ms "$@" "$TMP/$m")
			fi
			note "$m" "$t"
			umount_one "$m"
		done
	done
	print_row "$name" ms "$limit"
}
from_mount() {
	local m=$1
	shift
	mount_one "$m" && "$@" "$TMP/$m"
}
# Mount and list the root, everything in the page cache.
mount_row() {
	local name="mount to first ls, warm" round m t
	wanted "$name" || return 0
	for ((round = 0; round < rounds * 3; round++)); do
		for m in $(turns "$round"); do
			t=$(ms from_mount "$m" ls)
			note "$m" "$t"
			umount_one "$m"
		done
	done
	known_ms=$(middle cap)
	print_row "$name" ms ""
}
# probe_rows cold|warm NAME=BUDGET...
probe_rows() {
	local heat=$1 round m name us pair
	local -A seen=()
	shift
	wanted "probe $*" || return 0
	for ((round = 0; round < rounds; round++)); do
		for m in $(turns "$round"); do
			mount_one "$m"
			while read -r name us; do
				seen[$name.$m]+="$us "
			done < <("$TMP/probe" "$TMP/$m" ${heat/warm/})
			umount_one "$m"
		done
	done
	for pair in "$@"; do
		name=${pair%=*}
		for m in "${contenders[@]}"; do samples[$m]=${seen[$name.$m]}; done
		print_row "${name%-cold}, $heat" µs "${pair#*=}"
	done
}
readall() { tar -C "$1" --one-file-system -cf - . | cat >/dev/null; }
findall() { find "$1" -xdev -printf '%s\n'; }
py() {
	chroot "$1" python3 -c 'import json, ssl, email, http.client, xml.dom.minidom
import unittest, asyncio, sqlite3, decimal, urllib.request'
}

# First use, by turns: index and mount with an empty store, or unpack.
first_use() {
	local round t
	for ((round = 0; round < rounds; round++)); do
		rm -rf "${TMP:?}/first.store" "${TMP:?}/first.dir"
		drop
		t=$(CAPAS_ROOT=$TMP/first.store ms "$CAPAS" mount "oci:$layout:$tag" "$TMP/first")
		note first "$t"
		umount "$TMP/first"
		drop
		t=$(ms unpack_layers "$TMP/first.dir")
		note untar "$t"
	done
	first_ms=$(middle first) untar_ms=$(middle untar)
	rm -rf "${TMP:?}/first.store" "${TMP:?}/first.dir"
	samples=()
}

# ---- the run ----

load_before=$(load)
unpack_layers "$TMP"
load_layout
mount_one ovl
entries=$(find "$TMP/ovl" -xdev | wc -l)
umount_one ovl
first_ms='' known_ms=''
! wanted "first use" || first_use

echo "| work | capas | overlayfs | fuse-overlayfs | to overlayfs | to fuse-overlayfs | budget | |"
echo "|---|---|---|---|---|---|---|---|"
mount_row
row "ls, from mount, cold" "" mount ls
row "find, cold" 1.0 cold findall
row "find, from mount, cold" 1.0 mount findall
row "find, warm" 1.1 warm findall
row "read everything, cold" 1.1 cold readall
row "read everything, warm" 1.1 warm readall
row "python imports, cold" "" cold py
row "python imports, warm" 1.2 warm py
probe_rows warm stat=1.3 missing=1.3 open=1.3 random=
probe_rows cold random-cold=

share() { du -cb "$CAPAS_ROOT/$1" 2>/dev/null | tail -1 | cut -f1; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", 100 * a / b }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
echo
echo "| | |"
echo "|---|---|"
echo "| image | $entries entries, $((tar_bytes / 1000000)) MB of tar in ${#blobs[@]} layers, $((blob_bytes / 1000000)) MB of gzip |"
[ -z "$first_ms" ] || echo "| first mount, nothing known, cold (budget 400 MB/s, 0.3 ×) | $first_ms ms: $(ratio "$((tar_bytes / 1000))" "$first_ms") MB/s of tar, $(ratio "$first_ms" "$untar_ms") × of tar xzf ($untar_ms ms) |"
[ -z "$known_ms" ] || echo "| mount of a known image to the first ls (budget 20 ms) | $known_ms ms |"
echo "| index, seek tables | $(percent "$(share index)" "$blob_bytes") %, $(percent "$(share seek)" "$blob_bytes") % of the blobs |"
echo "| tree | $(share tree) bytes, $(($(share tree) / entries)) an entry |"
echo "| machine | $(nproc) × $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(awk '/MemTotal/ {printf "%.0f GB", $2 / 1e6}' /proc/meminfo), Linux $(uname -r), $(stat -f -c %T "$TMP") |"
echo "| versions | $("$CAPAS" version | head -1), $(fuse-overlayfs --version 2>&1 | sed -n 's/fuse-overlayfs: version/fuse-overlayfs/p') |"
echo "| run | $rounds rounds, $SECONDS s, load before $load_before, after $(load) |"
