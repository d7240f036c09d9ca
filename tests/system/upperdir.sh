#!/bin/bash
# The upper directory of the kernel's overlayfs, or of fuse-overlayfs, as a layer: what
# was seen through that mount is what the committed image shows.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need python3 setfattr mkfs.ext4
make_root
mkdir "${TMP:?}/root/stays" "$TMP/root/goes" "$TMP/root/goes/in"
echo 1 >"$TMP/root/stays/one"
echo 2 >"$TMP/root/stays/two"
echo 3 >"$TMP/root/goes/three"
tar -C "$TMP/root" --format=pax --numeric-owner -cf "$TMP/root.tar" .
"$CAPAS" import "$TMP/root.tar" base >/dev/null || fail import
# The kernel's overlayfs wants a filesystem with xattrs and whiteouts of its own.
truncate -s 256M "$TMP/disk"
mkfs.ext4 -q "$TMP/disk"
mkdir "$TMP/work"
mount -o loop "$TMP/disk" "$TMP/work" || skip "no loop device"
W=$TMP/work
M=$TMP/merged
mkdir "${M:?}" "${W:?}/lower"
tar --xattrs -C "${W:?}/lower" -xpf "$TMP/root.tar"

cmp_tree() { python3 "$SRC/tests/system/treecmp.py" --no-holes --ignore-xattr user.capas. "$@" || fail "trees differ: $*"; }

# Changes of every kind, through the mount at $M
change() {
	cd "${M:?}"
	rm deep/hard # overlayfs breaks hard links, and still counts them
	echo more >>etc/greeting
	mkdir new new/in
	echo fresh >new/in/file
	ln new/in/file new/hard
	ln -s nowhere new/link
	mkfifo new/pipe
	mv etc/greeting new/moved
	rm fifo
	rm -r goes
	mkdir goes
	mkdir goes/in
	echo 4 >goes/four
	rm -r bin
	echo 'no folder' >bin
	rm null
	mkdir null
	printf X | dd of=deep/er/random bs=1 seek=150000 conv=notrunc status=none
	truncate -s 3M new/sparse
	chmod 2750 stays
	chown 12:34 stays/one
	rm stays/two
	setfattr -n user.note -v hola stays/one
	touch -d '1999-12-31 23:59:59.123456789' new/in
	chmod 0711 .
	cd /
}

# judge NAME UPPER: commit, and compare with what is mounted at $M
judge() {
	local name=$1 upper=$2
	"$CAPAS" commit --upperdir "$upper" -m "$name" base "$name" >/dev/null || fail "$name: commit"
	[ "$("$CAPAS" commit --upperdir "$upper" base 2>/dev/null)" ] || fail "$name: commit without a name"
	"$CAPAS" mount "$name" "$MNT" || fail "$name: mount"
	cmp_tree "$M" "$MNT"
	"$CAPAS" umount "$MNT"
	"$CAPAS" mount --layer 2 "$name" "$MNT"
	! getfattr -Rhd -m 'overlay' "$MNT" 2>/dev/null | grep -q . || fail "$name: overlay's own xattrs are in the layer"
	[ -z "$(find "$MNT" -type c)" ] || fail "$name: a whiteout device is in the layer"
	"$CAPAS" umount "$MNT"
	if command -v skopeo >/dev/null && command -v umoci >/dev/null; then
		rm -rf "${TMP:?}/copy" "$TMP/bundle"
		skopeo copy -q "oci:$CAPAS_ROOT:$name:latest" "oci:$TMP/copy:x" || fail "$name: skopeo refuses it"
		umoci unpack --image "$TMP/copy:x" "$TMP/bundle" >/dev/null 2>&1 || fail "$name: umoci refuses it"
		cmp_tree "$TMP/bundle/rootfs" "$M"
	fi
}

# fresh NAME: an upper directory of its own, U
fresh() {
	U=$W/$1/upper
	mkdir -p "${U:?}" "$W/$1/work"
}

# ---- the kernel's overlayfs ----
fresh kernel
opts=lowerdir=$W/lower,upperdir=$U,workdir=$W/kernel/work,redirect_dir=off,metacopy=off,index=off
if mount -t overlay overlay -o "$opts" "$M"; then
	change
	umount "$M"
	mount -t overlay overlay -o "$opts" "$M" # what it says now is what it has written
	[ -n "$(find "$U" -type c)" ] || fail "overlayfs made no whiteout: nothing is tested"
	judge kernel "$U"
	umount "$M"

	# Unprivileged marks: user.overlay.*
	fresh user
	opts=lowerdir=$W/lower,upperdir=$U,workdir=$W/user/work,userxattr
	if mount -t overlay overlay -o "$opts" "$M"; then
		change
		umount "$M"
		mount -t overlay overlay -o "$opts" "$M"
		getfattr -Rhd -m 'user.overlay' "$U" 2>/dev/null | grep -q opaque || fail "no user.overlay.opaque: nothing is tested"
		judge user "$U"
		umount "$M"
	fi

	# What points at other layers is refused by name.
	fresh redirect
	if mount -t overlay overlay -o "lowerdir=$W/lower,upperdir=$U,workdir=$W/redirect/work,redirect_dir=on" "$M"; then
		mv "$M/deep" "$M/elsewhere"
		umount "$M"
		refuses 1 "trusted.overlay.redirect" "$CAPAS" commit --upperdir "$U" base no:1
		refuses 1 "'/elsewhere'" "$CAPAS" commit --upperdir "$U" base no:1
	fi
	fresh metacopy
	if mount -t overlay overlay -o "lowerdir=$W/lower,upperdir=$U,workdir=$W/metacopy/work,metacopy=on" "$M"; then
		chmod 600 "$M/deep/er/random"
		umount "$M"
		if getfattr -Rhd -m overlay.metacopy "$U" 2>/dev/null | grep -q metacopy; then
			refuses 1 "trusted.overlay.metacopy" "$CAPAS" commit --upperdir "$U" base no:1
		fi
	fi
else
	echo "no overlayfs in this kernel"
fi

# ---- fuse-overlayfs ----
if command -v fuse-overlayfs >/dev/null; then
	fresh fuse
	opts=lowerdir=$W/lower,upperdir=$U,workdir=$W/fuse/work
	fuse-overlayfs -o "$opts" "$M" || fail "fuse-overlayfs does not mount"
	change
	umount "$M"
	fuse-overlayfs -o "$opts" "$M"
	judge fuse "$U"
	umount "$M"

	# Owners and modes in attributes, as it does for users without privileges.
	fresh xattr
	opts=lowerdir=$W/lower,upperdir=$U,workdir=$W/xattr/work,xattr_permissions=2
	if fuse-overlayfs -o "$opts" "$M"; then
		mkdir "$M/owned"
		echo x >"$M/owned/file"
		chmod 4751 "$M/owned/file"
		seen=$(stat -c '%u:%g:%a' "$M/owned/file")
		umount "$M"
		getfattr -Rhd -m override_stat "$U" 2>/dev/null | grep -q override_stat || fail "no override_stat: nothing is tested"
		[ "$(stat -c '%u:%g:%a' "$U/owned/file")" != "$seen" ] || fail "the file is as it is shown: nothing is tested"
		"$CAPAS" commit --upperdir "$U" base xattr >/dev/null || fail "xattr: commit"
		"$CAPAS" mount xattr "$MNT"
		[ "$(stat -c '%u:%g:%a' "$MNT/owned/file")" = "$seen" ] || fail "override_stat: $seen, then $(stat -c '%u:%g:%a' "$MNT/owned/file")"
		! getfattr -Rhd -m override_stat "$MNT" 2>/dev/null | grep -q . || fail "override_stat is in the image"
		"$CAPAS" umount "$MNT"
	fi
fi

# ---- made by hand ----
fresh hand
mkdir "$U/stays" "$U/goes" "$U/goes/in" "$U/dev"
touch "$U/.wh.fifo" "$U/goes/.wh..wh..opq" "$U/stays/.wh.two" "$U/.wh..wh.plnk"
echo new >"$U/goes/in/new"
mknod "$U/bin" c 0 0
python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$U/null"
echo shown >"$U/dev/owned"
setfattr -n user.containers.override_stat -v 123:456:0104751:file "$U/dev/owned"
touch "$U/dev/tty"
setfattr -n user.fuseoverlayfs.override_stat -v 0:5:0620:char-5-1 "$U/dev/tty"
mkdir "$TMP/outside"
echo secret >"$TMP/outside/greeting"
ln -s "$TMP/outside" "$U/etc" # never followed
"$CAPAS" commit --upperdir "$U" base hand >"$TMP/said" 2>&1 || fail "hand: $(cat "$TMP/said")"
grep -q "/null.*left out" "$TMP/said" || fail "no word of the socket"
"$CAPAS" mount hand "$MNT"
for gone in fifo goes/three stays/two bin null; do
	[ ! -e "$MNT/$gone" ] && [ ! -L "$MNT/$gone" ] || fail "hand: '$gone' is still there"
done
[ "$(cat "$MNT/goes/in/new")" = new ] && [ "$(cat "$MNT/stays/one")" = 1 ] || fail "hand: too much is gone"
[ "$(stat -c '%u:%g:%a' "$MNT/dev/owned")" = 123:456:4751 ] || fail "hand: an owner in an attribute"
[ "$(stat -c '%u:%g:%a:%F:%t:%T' "$MNT/dev/tty")" = '0:5:620:character special file:5:1' ] || fail "hand: a device in an attribute"
[ "$(readlink "$MNT/etc")" = "$TMP/outside" ] || fail "hand: a link was followed"
"$CAPAS" umount "$MNT"
echo text >"$U/.wh.kept"
refuses 1 "/.wh.kept" "$CAPAS" commit --upperdir "$U" base no:1
refuses 1 "no-such-dir" "$CAPAS" commit --upperdir "$TMP/no-such-dir" base no:1
refuses 1 "no such image" "$CAPAS" history no:1
"$CAPAS" fsck | grep -qx clean || fail fsck
echo ok
