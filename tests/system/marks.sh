set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
# A mark's name means one moment: it is not given twice by mistake.
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
fast_tmp

make_root
"$CAPAS" import "$TMP/root.tar" base >/dev/null || fail import
# shows TEXT: what the mark m shows
shows() {
	"$CAPAS" mount --top work --at m base "$MNT" || fail "mount --at m"
	[ "$(cat "$MNT/file")" = "$1" ] || fail "the mark shows $(cat "$MNT/file"), not $1"
	umount_top
}
mount_top work base
echo one >"$MNT/file"
"$CAPAS" mark work m || fail "mark while mounted"
echo two >"$MNT/file"
refuses 1 "has a mark 'm' already (-f moves it)" "$CAPAS" mark work m
umount_top
refuses 1 "has a mark 'm' already" "$CAPAS" mark work m
shows one
"$CAPAS" mark -f work m || fail "mark -f"
shows two
mount_top work base
echo three >"$MNT/file"
"$CAPAS" mark --force work m || fail "mark --force while mounted"
echo four >"$MNT/file"
umount_top
shows three
"$CAPAS" mark work n || fail "another name"
"$CAPAS" mark -f work never-there || fail "-f of a new name"

# A container that never ran has no log yet.
"$CAPAS" create --name fresh base true >/dev/null
"$CAPAS" mark fresh m || fail "the first mark"
refuses 1 "has a mark 'm' already" "$CAPAS" mark fresh m
echo ok
