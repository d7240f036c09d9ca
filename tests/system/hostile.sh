#!/bin/bash
# Hostile archives: refused with a reason, nothing published, nothing outside touched.
. "${SRC:?}/tests/system/lib.sh" || exit 1
need python3
python3 "$SRC/tests/system/hostile.py" "$TMP/h" || fail "no archives"
mkdir "$TMP/victim-dir"
echo untouched >"$TMP/victim-dir/mark"
before=$(find "$TMP/victim-dir" /etc -maxdepth 1 | sort | sha256sum)

empty_store() {
	[ -z "$(ls "$CAPAS_ROOT"/{blobs,index,seek,tree,span}/sha256 "$CAPAS_ROOT/tmp" | grep -v :)" ]
}
n=0
for f in "$TMP"/h/refuse-*; do
	out=$("$CAPAS" import "$f" bad 2>&1)
	rc=$?
	[ $rc = 1 ] || fail "${f##*/}: status $rc: $out"
	case $out in
	"capas: import: '$f'"*) ;;
	*) fail "${f##*/}: the message does not name the file: $out" ;;
	esac
	empty_store || fail "${f##*/}: something was published: $(ls -R "$CAPAS_ROOT" | head -30)"
	n=$((n + 1))
done
for f in "$TMP"/h/accept-*; do
	"$CAPAS" import "$f" "good:${f##*/accept-}" >/dev/null 2>"$TMP/err" || fail "${f##*/}: $(cat "$TMP/err")"
	"$CAPAS" ls -lR "good:${f##*/accept-}" >/dev/null || fail "${f##*/}: ls"
	if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
		"$CAPAS" mount "good:${f##*/accept-}" "$MNT" || fail "${f##*/}: mount"
		find "$MNT" -type f -exec cksum {} + >/dev/null 2>&1 || fail "${f##*/}: reading"
		"$CAPAS" umount "$MNT" || fail "${f##*/}: umount"
	fi
	n=$((n + 1))
done
[ "$n" -gt 40 ] || fail "only $n archives"
[ "$("$CAPAS" cat good:last-wins:/f)" = second ] || fail "the last entry of a path does not win"
"$CAPAS" ls good:climbing-name | grep -qx escaped || fail "a climbing name is not clamped at the root"
[ "$("$CAPAS" cat good:through-symlink:/victim-dir/new)" = x ] || fail "a symlink's target is not inside the root"
if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
	"$CAPAS" mount good:xattrs "$MNT" || fail "xattrs: mount"
	python3 - "$MNT/victim" <<-'P' || fail "xattrs: a layer says what it may not"
		import os, sys
		names = [n for n in os.listxattr(sys.argv[1]) if not n.startswith("user.capas.")]
		assert names == ["user.fine"], names
		assert b"forged" not in os.getxattr(sys.argv[1], "user.capas.layer")
	P
	"$CAPAS" umount "$MNT" || fail "xattrs: umount"
fi
[ "$before" = "$(find "$TMP/victim-dir" /etc -maxdepth 1 | sort | sha256sum)" ] || fail "something outside changed"
"$CAPAS" fsck | grep -qx clean || fail fsck
echo "ok: $n archives"
