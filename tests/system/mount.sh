#!/bin/bash
# A mount equals what went in, in every view, and ends cleanly.
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need python3 gzip
make_root
cmp_tree() { python3 "$SRC/tests/system/treecmp.py" --ignore-xattr user.capas. "$@" || fail "trees differ: $*"; }
end_mount() {
	"$CAPAS" umount "$MNT" || fail umount
	! mountpoint -q "$MNT" || fail "still mounted"
}

gzip -c "$TMP/root.tar" >"$TMP/root.tar.gz"
zstd -q -c "$TMP/root.tar" >"$TMP/root.tar.zst" 2>/dev/null || cp "$TMP/root.tar" "$TMP/root.tar.zst"
for f in root.tar root.tar.gz root.tar.zst; do
	"$CAPAS" mount "tar:$TMP/$f" "$MNT" || fail "mount $f"
	"$CAPAS" mounts | grep -q "$MNT" || fail "mounts does not list it"
	cmp_tree --no-holes "$TMP/root" "$MNT"
	grep "$MNT" /proc/self/mountinfo | grep -q 'ro,nosuid,nodev' || fail "not ro,nosuid,nodev"
	! touch "$MNT/new" 2>/dev/null || fail "a file was made on a read-only mount"
	[ ! -e "$MNT/no-such" ] || fail "a missing name exists"
	end_mount
done

# Two layers: one more tar that replaces, deletes and makes a folder opaque.
mkdir -p "$TMP/l2/etc" "$TMP/l2/deep"
echo adios >"$TMP/l2/etc/greeting"
touch "$TMP/l2/bin.wh" "$TMP/l2/deep/.wh..wh..opq" "$TMP/l2/deep/only"
mv "$TMP/l2/bin.wh" "$TMP/l2/.wh.bin"
tar -C "$TMP/l2" --numeric-owner -cf "$TMP/l2.tar" .
need umoci
umoci init --layout "$TMP/oci"
umoci new --image "$TMP/oci:x"
umoci raw add-layer --image "$TMP/oci:x" --history.created_by one "$TMP/root.tar"
umoci raw add-layer --image "$TMP/oci:x" --history.created_by two "$TMP/l2.tar"
"$CAPAS" mount "oci:$TMP/oci:x" "$MNT" || fail "mount oci:"
[ "$(cat "$MNT/etc/greeting")" = adios ] || fail "the upper file does not win"
[ ! -e "$MNT/bin" ] || fail "a whiteout hides nothing"
[ "$(ls "$MNT/deep")" = only ] || fail "an opaque folder shows what is below"
python3 - "$MNT" <<'P' || fail "user.capas.layer"
import os, sys
x = os.getxattr(sys.argv[1] + "/etc/greeting", "user.capas.layer").decode()
assert x.startswith("layer 2 sha256:") and x.endswith("two"), x
P
end_mount
"$CAPAS" mount --upto 1 "oci:$TMP/oci:x" "$MNT" || fail --upto
cmp_tree --no-holes "$TMP/root" "$MNT"
end_mount
"$CAPAS" mount --layer 2 "oci:$TMP/oci:x" "$MNT" || fail --layer
[ -e "$MNT/.wh.bin" ] && [ -e "$MNT/deep/.wh..wh..opq" ] || fail "whiteouts are not shown"
end_mount
"$CAPAS" mount --layers "oci:$TMP/oci:x" "$MNT" || fail --layers
[ "$(cat "$MNT/2/instruction")" = two ] && [ -e "$MNT/1/files/etc/greeting" ] || fail "the view of layers"
end_mount

# As mount(8) calls it.
ln -s "$CAPAS" "$TMP/mount.fuse.capas"
"$TMP/mount.fuse.capas" "oci:$TMP/oci:x" "$MNT" -o ro,noatime || fail "mount helper"
[ -e "$MNT/etc" ] || fail "the helper mounted nothing"
end_mount

# The store is gone, the mount lives; the driver is killed, umount works.
"$CAPAS" import "$TMP/root.tar.gz" hola >/dev/null
"$CAPAS" mount hola "$MNT" || fail "mount hola"
"$CAPAS" rmi hola >/dev/null && "$CAPAS" gc >/dev/null
cmp_tree --no-holes "$TMP/root" "$MNT"
end_mount

refuses 1 "no such image" "$CAPAS" mount nosuch "$MNT"
refuses 1 "no-such-dir" "$CAPAS" mount "oci:$TMP/oci:x" "$TMP/no-such-dir"
refuses 1 "no layer 9" "$CAPAS" mount --upto 9 "oci:$TMP/oci:x" "$MNT"
refuses 1 "bogus" "$CAPAS" mount -o bogus "oci:$TMP/oci:x" "$MNT"
refuses 1 "no mount of capas" "$CAPAS" umount "$TMP"
# A lock of the caller's is free when he ends it: the driver does not hold it.
"$CAPAS" mount "oci:$TMP/oci:x" "$MNT" 9>"$TMP/lock" || fail "mount"
driver=$(getfattr --only-values -n user.capas.driver "$MNT" 2>/dev/null)
for fd in /proc/"$driver"/fd/*; do
	[ "$(readlink "$fd")" != "$TMP/lock" ] || fail "the driver keeps what its caller had open"
done
"$CAPAS" umount "$MNT" || fail "umount"
echo ok
