set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
# dir:DIR: a root filesystem that is unpacked, mounted and looked at in place, imported.
need_fuse
need python3 getfattr setfattr
fast_tmp

make_root
R=$TMP/root
setfattr -n user.note -v here "$R/etc/greeting"
# More files than are kept open, one that is empty, and a name that must be quoted.
mkdir "$R/many"
for n in $(seq 200); do echo "number $n" >"$R/many/$n"; done
: >"$R/empty"
echo odd >"$R/a
b"
same() { python3 "$SRC/tests/system/treecmp.py" --no-holes --ignore-xattr user.capas. "$R" "$1" || fail "$2"; }

"$CAPAS" mount -o suid,dev "dir:$R" "$MNT" || fail "mount dir:"
same "$MNT" "the mount is not the folder"
[ "$(stat -c %i "$MNT/etc/greeting")" = "$(stat -c %i "$MNT/deep/hard")" ] || fail "a hard link was lost"
[ -z "$(ls "$CAPAS_ROOT"/{blobs,index,tree}/sha256 | grep -v :)" ] || fail "something was put into the store"

"$CAPAS" umount "$MNT" || fail umount

# What changes in the folder: names stay as they were, changed bytes are not given out.
"$CAPAS" mount -o suid,dev "dir:$R" "$MNT" || fail "mount dir: again"
echo "longer than it was" >"$R/many/7"
rm "$R/many/8"
mv "$R/many/9" "$R/many/10"
rm "$R/many/11" && ln -s /etc/passwd "$R/many/11"
rm "$R/many/12" && mkfifo "$R/many/12"
mv "$R/bin" "$R/nib" && ln -s / "$R/bin"
echo new >"$R/many/newer"
[ ! -e "$MNT/many/newer" ] || fail "a name that came later is shown"
for n in 7 8 9 10 11 12; do
	[ -e "$MNT/many/$n" ] || fail "the name $n is gone"
	refuses 1 "Input/output error" cat "$MNT/many/$n"
done
[ "$(cat "$MNT/many/13")" = "number 13" ] || fail "a file that nobody changed"
touch "$R/many/13"
"$CAPAS" umount "$MNT" || fail umount
rm "$R/bin" "$R/many/12" && mv "$R/nib" "$R/bin"

# Without a mount.
[ "$("$CAPAS" cat "dir:$R:/bin/link")" = hola ] || fail cat
"$CAPAS" ls "dir:$R:/many" | grep -qx newer || fail ls
[ "$("$CAPAS" find "dir:$R:/many" -name '19?' | wc -l)" = 10 ] || fail find
"$CAPAS" cp -a "dir:$R:/." "$TMP/copy" || fail cp
same "$TMP/copy" "cp made something else"
"$CAPAS" export "dir:$R" | tar -tf - >/dev/null || fail export

# Imported; twice it is the same layer, and what is mounted below is not in it.
mkdir "$R/proc"
mount -t tmpfs tmpfs "$R/proc" && echo no >"$R/proc/no"
"$CAPAS" import "dir:$R" mounted >/dev/null 2>"$TMP/warnings" || fail "import: $(cat "$TMP/warnings")"
grep -q "'/proc': another file system" "$TMP/warnings" || fail "no warning: $(cat "$TMP/warnings")"
[ -z "$("$CAPAS" ls mounted:/proc)" ] || fail "what is mounted was imported"
umount "$R/proc"
"$CAPAS" import "dir:$R" unpacked >/dev/null || fail "import"
"$CAPAS" mount -o suid,dev unpacked "$MNT" || fail "mount unpacked"
same "$MNT" "the image is not the folder"
"$CAPAS" umount "$MNT"
layer() { "$CAPAS" inspect "$1" | grep -A1 '"Layers"' | tail -1; }
"$CAPAS" import "dir:$R/" again >/dev/null || fail "import again"
[ "$(layer unpacked)" = "$(layer again)" ] || fail "the same folder is another layer"
"$CAPAS" fsck | grep -qx clean || fail fsck

# What is no root filesystem.
mkdir "$TMP/w" && echo no >"$TMP/w/.wh.x"
refuses 1 "'/.wh.x': a layer cannot hold names that begin with '.wh.'" "$CAPAS" ls "dir:$TMP/w"
refuses 1 "No such file" "$CAPAS" ls "dir:$TMP/nowhere"
refuses 1 "Not a directory" "$CAPAS" ls "dir:$TMP/root.tar"
refuses 1 "No such file" "$CAPAS" import "dir:$TMP/nowhere" x
refuses 1 "no name for an image" "$CAPAS" mount --rw "dir:$R" "$MNT"
echo ok
