#!/bin/bash
# Forty-five behaviours of a root filesystem, and what other union filesystems got wrong.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
need python3
mkdir "${TMP:?}/lower"
"$TOOLS/posix" prepare "${TMP:?}/lower" || fail "prepare"
layer_tar "${TMP:?}/lower" "${TMP:?}/lower.tar"
# No layer holds a socket; the first mount makes them.
"$CAPAS" import "${TMP:?}/lower.tar" posix >/dev/null || fail "import"

mount_top posix posix
bad=
for dir in "$MNT"/*/; do
	python3 -c 'import os, sys; os.mknod(sys.argv[1] + "sock", 0o140755)' "$dir"
done
"$TOOLS/posix" run "$MNT" || bad=1
umount_top
mount_top posix posix
"$TOOLS/posix" again "$MNT" || bad=1
umount_top
# By now most of the log was garbage: it was written anew.
mount_top posix posix
"$TOOLS/posix" again "$MNT" 04-rename-folder 05-rename-over-folder 07-folder-again \
	08-rename-flags 10-link-nameless 22-times 31-special 33-long-names 39-numbers || bad=1
umount_top
[ -z "$bad" ] || fail "some behaviour is not as promised"

# 10 of the bugs: a whiteout is for lower layers only.
mkdir "${TMP:?}/l1" "${TMP:?}/l2"
echo old >"${TMP:?}/l1/foo"
echo new >"${TMP:?}/l2/foo"
: >"${TMP:?}/l2/.wh.foo"
layer_tar "${TMP:?}/l1" "${TMP:?}/l1.tar"
layer_tar "${TMP:?}/l2" "${TMP:?}/l2.tar"
layers_image both "${TMP:?}/l1.tar" "${TMP:?}/l2.tar"
mount_top both both
[ "$(cat "$MNT/foo")" = new ] || fail "a whiteout hides a file of its own layer"
umount_top

# 45: without a top everything is refused with EROFS.
"$CAPAS" mount posix "$MNT" || fail "mount"
python3 - "$MNT/01-open-unlinked-new" <<'P' || fail "a read-only mount"
import errno, os, sys
os.chdir(sys.argv[1])
def refused(call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == errno.EROFS, (call, args, e)
        return
    raise AssertionError((call, args))
refused(os.open, "a", os.O_WRONLY)
refused(os.open, "a", os.O_RDONLY | os.O_TRUNC)
refused(os.open, "n", os.O_CREAT | os.O_RDONLY)
refused(os.chmod, "a", 0o600)
refused(os.chown, "a", 1, 1)
refused(os.utime, "a")
refused(os.unlink, "a")
refused(os.rmdir, "empty")
refused(os.mkdir, "n")
refused(os.mkfifo, "n")
refused(os.symlink, "x", "n")
refused(os.link, "a", "n")
refused(os.rename, "a", "n")
refused(os.truncate, "a", 0)
refused(os.setxattr, "a", "user.x", b"")
refused(os.removexattr, "a", "user.t")
assert not os.access("a", os.W_OK) and os.access("a", os.R_OK)
P
umount_top

# A lazy unmount leaves the open files working, and the top whole.
mount_top lazy posix
exec 9>>"$MNT/01-open-unlinked-new/a"
umount -l "$MNT" || fail "umount -l"
echo late >&9 || fail "a write after umount -l"
exec 9>&-
mounted=
for _ in $(seq 100); do
	"$CAPAS" mount --rw --top lazy posix "$MNT" 2>/dev/null && mounted=1 && break
	sleep 0.1
done
[ -n "$mounted" ] || fail "the driver of a lazy unmount does not end"
[ "$(tail -1 "$MNT/01-open-unlinked-new/a")" = late ] || fail "a write after umount -l is lost"

# Two drivers never serve one top; a top stays with its image.
mkdir "${TMP:?}/mnt2"
refuses 1 "lazy" "$CAPAS" mount --rw --top lazy posix "${TMP:?}/mnt2"
umount_top
refuses 1 "lazy" "$CAPAS" mount --rw --top lazy both "$MNT"
echo ok
