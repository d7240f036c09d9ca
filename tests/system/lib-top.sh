# Sourced by the tests of the writable top, after lib.sh. TOOLS is where the programs of
# tests/tools are.
: "${TMP:?}" "${MNT:?}" "${TOOLS:?}"

# layers_image NAME TAR...: an image of these layers, lowest first, in the store
layers_image() {
	local name=$1 tar n=0
	shift
	need umoci
	umoci init --layout "${TMP:?}/layers"
	umoci new --image "${TMP:?}/layers:x"
	for tar; do
		umoci raw add-layer --image "${TMP:?}/layers:x" \
			--history.created_by "layer $n" "$tar" || fail "add-layer"
		n=$((n + 1))
	done
	tar -C "${TMP:?}/layers" -cf "${TMP:?}/layers.tar" .
	"$CAPAS" --quiet load -i "${TMP:?}/layers.tar" >/dev/null || fail "load"
	"$CAPAS" tag x "$name" || fail "tag"
	rm -rf "${TMP:?}/layers" "${TMP:?}/layers.tar"
}
# layer_tar DIR FILE: everything in DIR that a layer can hold (tar warns of sockets)
layer_tar() {
	tar -C "$1" --sparse --format=pax --numeric-owner --xattrs --xattrs-include='*' \
		-cf "$2" . 2>/dev/null || fail "tar $1"
}
# start_image NAME: the tree of start.py as two layers, and as $TMP/start/merged
start_image() {
	python3 "$SRC/tests/system/start.py" "${TMP:?}/start" || fail "start.py"
	rm "${TMP:?}/start/merged/kinds/socket" # no layer holds a socket
	touch -r "${TMP:?}/start/l1/kinds" "${TMP:?}/start/merged/kinds"
	layer_tar "${TMP:?}/start/l1" "${TMP:?}/l1.tar"
	layer_tar "${TMP:?}/start/l2" "${TMP:?}/l2.tar"
	layers_image "$1" "${TMP:?}/l1.tar" "${TMP:?}/l2.tar"
	rm -rf "${TMP:?}/l1.tar" "${TMP:?}/l2.tar" "${TMP:?}/start/l1" "${TMP:?}/start/l2"
}
# small_disk NAME SIZE [MKFS-OPTION...]: an ext4, or $DISK_FS, in memory, mounted at
# $TMP/NAME
small_disk() {
	local name=$1 size=$2 force=-F
	shift 2
	need "mkfs.${DISK_FS:=ext4}"
	[ "$DISK_FS" = ext4 ] || force=-f
	mkdir -p "${TMP:?}/$name" "${TMP:?}/disks"
	mountpoint -q "${TMP:?}/disks" || mount -t tmpfs tmpfs "${TMP:?}/disks" ||
		skip "no tmpfs"
	truncate -s "$size" "${TMP:?}/disks/$name"
	"mkfs.$DISK_FS" -q "$force" "$@" "${TMP:?}/disks/$name" || fail "mkfs.$DISK_FS"
	mount -o loop "${TMP:?}/disks/$name" "${TMP:?}/$name" || skip "no loop device"
}
# mount_top TOP IMAGE [DIR]: with what TOP_OPTIONS says
mount_top() {
	"$CAPAS" mount -o "${TOP_OPTIONS:-suid,dev}" --rw --top "$1" "$2" "${3:-$MNT}" ||
		fail "mount --rw --top $1 $2"
}
umount_top() {
	"$CAPAS" umount "${1:-$MNT}" || fail "umount ${1:-$MNT}"
}
