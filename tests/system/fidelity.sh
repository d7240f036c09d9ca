#!/bin/bash
# A real Debian image: the mount equals umoci's extraction, and skopeo gets it back.
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need umoci skopeo python3
debian_layout
umoci unpack --image "$DEBIAN:full" "$TMP/bundle" >/dev/null || fail "umoci unpack"
skopeo copy -q "oci:$DEBIAN:full" "oci-archive:$TMP/full.tar:debian:full" || fail "skopeo copy"
"$CAPAS" load -i "$TMP/full.tar" >/dev/null || fail load
"$CAPAS" mount -o dev debian:full "$MNT" || fail mount
python3 "$SRC/tests/system/treecmp.py" --ignore-xattr user.capas. "$TMP/bundle/rootfs" "$MNT" || fail "trees differ"
[ "$(chroot "$MNT" python3 -c 'print(6 * 7)')" = 42 ] || fail "python does not run"
chroot "$MNT" git --version >/dev/null || fail "git does not run"
# Eight readers at once see what one sees.
sum=$(cd "$MNT" && find usr -type f -print0 | sort -z | xargs -0 cksum | cksum)
for i in 1 2 3 4 5 6 7 8; do
	(cd "$MNT" && [ "$(find usr -type f -print0 | sort -z | xargs -0 cksum | cksum)" = "$sum" ]) &
	pids[i]=$!
done
for i in 1 2 3 4 5 6 7 8; do wait "${pids[i]}" || fail "reader $i saw something else"; done
"$CAPAS" umount "$MNT" || fail umount
want=$(skopeo inspect --raw "oci:$DEBIAN:full" | sha256sum)
skopeo copy -q "oci:$CAPAS_ROOT:debian:full" "oci:$TMP/back:full" || fail "skopeo copy from the store"
[ "$(skopeo inspect --raw "oci:$TMP/back:full" | sha256sum)" = "$want" ] || fail "the manifest changed on the way"
"$CAPAS" save --format oci-archive -o "$TMP/saved.tar" debian:full || fail save
[ "$(skopeo inspect --raw "oci-archive:$TMP/saved.tar" | sha256sum)" = "$want" ] || fail "save changed the manifest"
echo ok
