set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
# Attributes that tar can hardly say: what a commit makes of them, and who reads it.
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
need setfattr getfattr bsdtar
fast_tmp

make_root
"$CAPAS" import "$TMP/root.tar" base >/dev/null || fail import
mount_top work base
echo odd >"$MNT/odd"
setfattr -n 'user.a=b' -v 'one=two' "$MNT/odd"
setfattr -n 'user.50%' -v plain "$MNT/odd"
umount_top
"$CAPAS" commit work odd >"$TMP/id" 2>"$TMP/warnings" || fail "commit: $(cat "$TMP/warnings")"
grep -q "'/odd': xattr 'user.a=b'" "$TMP/warnings" || fail "no warning names it: $(cat "$TMP/warnings")"
[ "$(grep -c . "$TMP/warnings")" = 1 ] || fail "a plain attribute is warned of: $(cat "$TMP/warnings")"

# The next mount shows both attributes and no third one; so does bsdtar.
attributes() { getfattr --absolute-names -d -m '^user\.[a5]' "$1" | grep = | sort; }
printf '%s\n' 'user.50%="plain"' 'user.a\075b="one=two"' | sort >"$TMP/wanted"
"$CAPAS" mount odd "$MNT"
attributes "$MNT/odd" | diff "$TMP/wanted" - || fail "the mount shows other attributes"
"$CAPAS" umount "$MNT"
mkdir "$TMP/out"
"$CAPAS" export odd | bsdtar -xp --xattrs -C "$TMP/out" -f - odd || fail "bsdtar"
attributes "$TMP/out/odd" | diff "$TMP/wanted" - || fail "bsdtar reads other attributes"

# Who does not want it gets rid of it.
mount_top work base
setfattr -x 'user.a=b' "$MNT/odd"
umount_top
"$CAPAS" commit work even >/dev/null 2>"$TMP/warnings" || fail "commit without it"
[ ! -s "$TMP/warnings" ] || fail "a warning about nothing: $(cat "$TMP/warnings")"
"$CAPAS" fsck | grep -qx clean || fail fsck
echo ok
