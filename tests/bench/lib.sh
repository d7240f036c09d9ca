# Sourced by the benchmarks: CAPAS is their first argument, SRC the tree they are in.
#   ROUNDS=3   how often; medians are printed
#   BENCH_DIR  where to work; the file system there is measured too (/var/tmp)
set -eu -o pipefail
SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CAPAS=$(readlink -f "${1:?no CAPAS; the usage is at the head of $0}")
TMPDIR=${BENCH_DIR:-/var/tmp}
rounds=${ROUNDS:-3}
export SRC CAPAS TMPDIR
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
trap 'exit 1' INT TERM

median() { sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'; }
load() { cut -d' ' -f1-3 /proc/loadavg; }
drop() { sync; echo 3 >/proc/sys/vm/drop_caches; }
# took COMMAND...: so many microseconds
took() {
	local from=${EPOCHREALTIME/./} to
	"$@" >/dev/null 2>"$TMP/err" || fail "'$*': $(tail -5 "$TMP/err")"
	to=${EPOCHREALTIME/./}
	echo $((to - from))
}

# use_layout LAYOUT TAG: sets layout and tag
use_layout() {
	layout=$(readlink -f "${1:?no LAYOUT}")
	tag=${2:?no TAG}
}
# Its images into the store.
load_layout() {
	tar -C "${layout:?}" -cf "$TMP/image.tar" .
	"$CAPAS" --quiet load -i "$TMP/image.tar" >/dev/null
	rm "$TMP/image.tar"
}
# use_layers DIR: sets blobs, the lowest first, and lower, the folders that unpack_layers
# DIR makes of them, as overlayfs wants them
use_layers() {
	local manifest i
	need jq
	manifest=$(jq -r --arg t "$tag" '.manifests[]
		| select(.annotations["org.opencontainers.image.ref.name"]==$t)
		| .digest' "$layout/index.json")
	mapfile -t blobs < <(jq -r '.layers[].digest' \
		"$layout/blobs/sha256/${manifest#sha256:}" | sed "s,^sha256:,$layout/blobs/sha256/,")
	lower=
	for i in "${!blobs[@]}"; do lower=$1/l$i${lower:+:$lower}; done
}
unpack_layers() {
	local i
	for i in "${!blobs[@]}"; do
		mkdir -p "${1:?}/l$i"
		tar -C "$1/l$i" --xattrs --xattrs-include='*' --numeric-owner -xzf "${blobs[i]}"
	done
}
