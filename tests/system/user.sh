#!/bin/bash
# An ordinary user imports, mounts, reads and unmounts: through fusermount3, and as root
# of a user namespace.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need unshare setpriv fusermount3
unshare -m true 2>/dev/null || skip "no mount namespaces"

# An image with owners and modes that only an image's user could make.
mkdir "$TMP/root"
make_root
chown 12:34 "$TMP/root/etc/greeting"
echo secret >"$TMP/root/etc/shadow"
chmod 0600 "$TMP/root/etc/shadow"
tar -C "$TMP/root" --format=pax --numeric-owner -czf "$TMP/root.tar.gz" .
USER_ID=$(id -u nobody) || skip "no user nobody" # fusermount3 wants a name
HOME_DIR=$TMP/home
mkdir -m 0700 "$HOME_DIR"
chmod 0755 "$TMP"
# A build folder may be closed to others; the program is copied out of it.
cp "$CAPAS" "$TMP/capas"
# Everything that a tree has, and that a user may see of what is root's.
cat >"$TMP/describe" <<'S'
find . -mindepth 1 -printf '%p %y %m %n %U:%G %T@ %l ' \( -type f -printf '%s' -o -true \) -printf '\n' | sort
find . -type f -print0 | sort -z | xargs -0 cksum
S
(cd "$TMP/root" && bash "$TMP/describe") >"$TMP/want"
chown $USER_ID:$USER_ID "$HOME_DIR"

cat >"$TMP/inside" <<'S'
set -eu
fail() {
	echo "FAIL: $WAY: $*" >&2
	exit 1
}
capas=$TMP/capas
cd "$HOME"
mnt=$HOME/mnt
rm -rf "${mnt:?}"
mkdir "$mnt"
id=$("$capas" import "$TMP/root.tar.gz" hola:1) || fail import
[ -e "$STORE/oci-layout" ] || fail "the store is not at $STORE"
"$capas" images | grep -q '^hola ' || fail images
"$capas" mount hola:1 "$mnt" || fail mount
"$capas" mounts | grep -q "^hola:1 .*$mnt\$" || fail "mounts: $("$capas" mounts)"
[ "$(cat "$mnt/etc/greeting")" = hola ] || fail reading
[ "$(cat "$mnt/etc/shadow")" = secret ] || fail "a file that only the image's root may read"
[ "$(stat -c %a "$mnt/deep/er/random")" = 4755 ] || fail "modes"
if [ "$WAY" = fusermount3 ]; then
	[ "$(stat -c %u:%g "$mnt/etc/greeting")" = 12:34 ] || fail "owners: $(stat -c %u:%g "$mnt/etc/greeting")"
	(cd "$mnt" && bash "$TMP/describe") >"$HOME/have"
	diff "$TMP/want" "$HOME/have" || fail "trees differ"
	grep "$mnt" /proc/self/mountinfo | grep -q 'nosuid,nodev' || fail "set-id bits would count"
else
	# What the namespace knows no number for is nobody's to it; root's it knows.
	[ "$(stat -c %u:%g "$mnt/etc/shadow")" = 0:0 ] || fail "owners: $(stat -c %u:%g "$mnt/etc/shadow")"
fi
[ "$("$capas" ls -l hola:1:/etc | grep -c '12.*34.*greeting')" = 1 ] || fail "ls: $("$capas" ls -l hola:1:/etc)"
! touch "$mnt/x" 2>/dev/null || fail "a file was made"
"$capas" umount mnt || fail "umount"
! mountpoint -q "$mnt" || fail "still mounted"

# The driver goes when it is told to, and when it is killed the mount can be ended.
"$capas" mount -f hola:1 "$mnt" 2>"$HOME/log" &
driver=$!
for _ in $(seq 100); do
	! mountpoint -q "$mnt" || break
	sleep 0.05
done
kill -TERM $driver
wait $driver || fail "SIGTERM: $(cat "$HOME/log")"
! mountpoint -q "$mnt" || fail "mounted after SIGTERM"
"$capas" mount -f hola:1 "$mnt" 2>"$HOME/log" &
driver=$!
for _ in $(seq 100); do
	! mountpoint -q "$mnt" || break
	sleep 0.05
done
kill -KILL $driver
wait $driver 2>/dev/null || true
! ls "$mnt" 2>/dev/null || fail "a dead mount is listed"
"$capas" mounts | grep -q "$mnt" || fail "a dead mount is not shown"
"$capas" umount mnt || fail "umount of a dead mount"
ls "$mnt" >/dev/null || fail "the folder is not free"

# Every view, and sources that are in no store.
"$capas" mount --layers "tar:$TMP/root.tar.gz" "$mnt" || fail "mount --layers tar:"
[ "$(cat "$mnt/1/files/etc/greeting")" = hola ] || fail "the view of layers"
"$capas" umount "$mnt/" || fail "umount with a slash"
"$capas" save -o "$HOME/x.tar" hola:1 && "$capas" rmi hola:1 >/dev/null && "$capas" gc >/dev/null && "$capas" load -i "$HOME/x.tar" >/dev/null || fail "save, rmi, gc, load"
[ "$("$capas" images --no-trunc -q)" = "$id" ] || fail "another image came back"
[ "$("$capas" fsck)" = clean ] || fail fsck
S

# (a) /dev/fuse may be root's alone on this machine: in a mount namespace it is everybody's.
cat >"$TMP/outer" <<'S'
set -eu
mkdir "$TMP/dev"
mount -t tmpfs -o dev tmpfs "$TMP/dev"
mknod -m 0666 "$TMP/dev/fuse" c 10 229
mount --bind "$TMP/dev/fuse" /dev/fuse
unset CAPAS_ROOT XDG_DATA_HOME
WAY=fusermount3 STORE=$HOME/.local/share/capas setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups timeout 60 bash "$TMP/inside"
# The machine's root is no part of the user's mount, but may end it.
setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$TMP/capas" mount hola:1 "$HOME/mnt"
! ls "$HOME/mnt/etc" 2>/dev/null || { echo "FAIL: root sees the mount" >&2; exit 1; }
"$TMP/capas" --root "$TMP/rootstore" umount "$HOME/mnt" || { echo "FAIL: root cannot unmount" >&2; exit 1; }
S
TMP=$TMP HOME=$HOME_DIR USER_ID=$USER_ID unshare -m --propagation private bash "$TMP/outer" || fail "through fusermount3"

# (b) Root of a user namespace mounts by itself.
if unshare -Urm true 2>/dev/null; then
	rm -rf "${HOME_DIR:?}"
	mkdir "$HOME_DIR"
	TMP=$TMP HOME=$HOME_DIR CAPAS_ROOT=$HOME_DIR/own STORE=$HOME_DIR/own WAY=userns unshare -Urm --propagation private timeout 60 bash "$TMP/inside" || fail "in a user namespace"
	# The same for somebody who is nobody outside.
	chown $USER_ID:$USER_ID "$HOME_DIR"
	rm -rf "${HOME_DIR:?}/own"
	rm -rf "${HOME_DIR:?}/mnt" "${HOME_DIR:?}/x.tar" "${HOME_DIR:?}/log"
	cat >"$TMP/outer2" <<'S'
set -eu
mkdir -p "$TMP/dev"
mount -t tmpfs -o dev tmpfs "$TMP/dev"
mknod -m 0666 "$TMP/dev/fuse" c 10 229
mount --bind "$TMP/dev/fuse" /dev/fuse
setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups unshare -Urm --propagation private timeout 60 bash "$TMP/inside"
S
	TMP=$TMP HOME=$HOME_DIR CAPAS_ROOT=$HOME_DIR/own STORE=$HOME_DIR/own WAY=userns USER_ID=$USER_ID unshare -m --propagation private bash "$TMP/outer2" || fail "in a user namespace of an ordinary user"
fi
echo ok
