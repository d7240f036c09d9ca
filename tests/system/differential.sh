#!/bin/bash
# The same random operations on a writable mount, on ext4 and on kernel overlayfs: after
# each the answers are compared, every few hundred the whole trees.
# SEED=n STEPS=n reproduces a run; both are printed. WITHOUT=seek leaves a kind out.
set -eu
# In a mount namespace of its own: nobody else's copy keeps the disks busy.
[ -n "${OWN_MOUNTS-}" ] || [ "$(id -u)" != 0 ] || OWN_MOUNTS=1 exec unshare -m --propagation slave bash "$0"
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
need python3
# ext4 is the reference. It lies in memory, or every copy-up of overlayfs waits for a disk.
small_disk disk 4G
start_image start
cp -a "${TMP:?}/start/merged" "${TMP:?}/disk/pristine"
mkdir "${TMP:?}/disk/overlay"

cat >"${TMP:?}/hook" <<H
#!/bin/bash
# start|remount|restart NAME; restart: overlayfs begins again as what ext4 holds
set -eu
disk=${TMP:?}/disk
case \$2 in
capas)
	[ \$1 = start ] || "$CAPAS" umount "$MNT"
	exec "$CAPAS" mount -o suid,dev --rw --top "\$(cat "${TMP:?}/top")" start "$MNT"
	;;
overlay)
	umount -l "\${disk:?}/overlay" 2>/dev/null || :
	if [ \$1 != remount ]; then
		rm -rf "\${disk:?}/lower" "\${disk:?}/upper" "\${disk:?}/work"
		mkdir "\${disk:?}/work"
		cp -a "\${disk:?}/ref" "\${disk:?}/lower"
		# Its top folder has the attributes of the upper one.
		cp -a "\${disk:?}/ref" "\${disk:?}/upper"
		find "\${disk:?}/upper" -mindepth 1 -delete
		touch -r "\${disk:?}/ref" "\${disk:?}/upper"
	fi
	for i in 1 2 3 4 5 6 7 8 9 10; do # a lazy unmount may still hold the folders
		mount -t overlay -o "lowerdir=\$disk/lower,upperdir=\$disk/upper,workdir=\$disk/work,redirect_dir=on,index=on,xino=on" overlay "\${disk:?}/overlay" && exit 0
		sleep 0.2
	done
	exit 1
	;;
esac
H
chmod +x "${TMP:?}/hook"

# run SEED STEPS SECONDS
run() {
	local roots=("ext4=${TMP:?}/disk/ref" "capas=$MNT")
	echo "SEED=$1 STEPS=$2"
	umount -l "${TMP:?}/disk/overlay" 2>/dev/null || :
	rm -rf "${TMP:?}/disk/ref"
	cp -a "${TMP:?}/disk/pristine" "${TMP:?}/disk/ref"
	echo "seed-$1" >"${TMP:?}/top"
	"${TMP:?}/hook" start capas || fail "mount"
	if "${TMP:?}/hook" start overlay 2>/dev/null; then
		roots+=("overlay=${TMP:?}/disk/overlay")
	else
		echo "without kernel overlayfs"
	fi
	"$TOOLS/differ" ${WITHOUT:+-w "$WITHOUT"} -k "${CHECK:-200}" -s "$1" -n "$2" -t "$3" -x "${TMP:?}/hook" "${roots[@]}" ||
		fail "SEED=$1 STEPS=$2"
	umount_top
}

if [ -n "${SEED-}" ]; then
	run "$SEED" "${STEPS:-100000}" "${SECONDS_EACH:-500}"
else
	# More of them with SEED=n STEPS=n.
	for seed in 1 2 3 4; do
		run "$seed" "${STEPS:-4000}" "${SECONDS_EACH:-8}"
	done
fi
echo ok
