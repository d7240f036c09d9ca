#!/bin/bash
# `apt-get install git` in a container: capas, podman over kernel overlayfs, and a chroot
# over kernel overlayfs. The packages are fetched before, so no network is measured.
# usage: tests/bench/install.sh CAPAS LAYOUT TAG   (root; needs podman and Debian's mirror)
#   ROUNDS=3    each figure is the median of so many rounds
#   PACKAGE=git
. "$(dirname "$0")/lib.sh" || exit 1
use_layout "${2-}" "${3-}"
package=${PACKAGE:-git}
need podman
pod() { podman --root "$TMP/pod" --runroot "$TMP/podrun" --storage-driver overlay --runtime runc --cgroup-manager cgroupfs "$@"; }
finish() {
	pod rm -af >/dev/null 2>&1 || true
	pod rmi -af >/dev/null 2>&1 || true
	cleanup
}
trap finish EXIT

load_layout
"$CAPAS" run --name fetch "$tag" sh -ec "apt-get update -q && apt-get install -q -y --download-only $package" >"$TMP/log" 2>&1 ||
	skip "no mirror: $(tail -1 "$TMP/log")"
"$CAPAS" commit fetch ready:1 >/dev/null
"$CAPAS" save --format docker-archive -o "$TMP/image.tar" ready:1
pod load -q -i "$TMP/image.tar" >/dev/null
mkdir "$TMP/lower"
"$CAPAS" export fetch | tar -C "$TMP/lower" --numeric-owner --xattrs --xattrs-include='*' -xf -
"$CAPAS" rm fetch >/dev/null
rm "$TMP/image.tar"

install="DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-download $package"
in_capas() { "$CAPAS" run "$@" ready:1 sh -ec "$install"; }
in_podman() { pod run "$@" --network host --ulimit nofile=1024:4096 --ulimit nproc=4096:4096 ready:1 sh -ec "$install"; }
# What is removed at its end waits for no disk, in either.
capas_rm() { in_capas --rm; }
podman_rm() { in_podman --rm; }
capas_kept() { in_capas --name kept; }
podman_kept() { in_podman --name kept; }
remove_capas_kept() { "$CAPAS" rm kept; }
remove_podman_kept() { pod rm kept; }
chroot_kept() {
	mkdir "$TMP/up" "$TMP/work"
	mount -t overlay -o "lowerdir=$TMP/lower,upperdir=$TMP/up,workdir=$TMP/work" overlay "$MNT"
	mount -t proc proc "$MNT/proc"
	chroot "$MNT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$install"
	umount "$MNT/proc" "$MNT"
}
remove_chroot_kept() { rm -rf "${TMP:?}/up" "${TMP:?}/work"; }
for round in $(seq "$rounds"); do
	for who in capas_rm podman_rm capas_kept podman_kept chroot_kept; do
		sync
		us=$(took "$who")
		[ "${who%_rm}" != "$who" ] || "remove_$who" >/dev/null
		echo "$who $us" >>"$TMP/results"
	done
done
python3 - "$TMP/results" <<'P'
import collections, statistics, sys
times = collections.defaultdict(list)
for line in open(sys.argv[1]):
    who, us = line.split()
    times[who].append(int(us) / 1e6)
t = {who: statistics.median(all) for who, all in times.items()}
print("| apt-get install | median | least | capas is |")
print("|---|---|---|---|")
for who in t:
    name, how = who.split("_")
    text = {"rm": f"{name} run --rm", "kept": f"{name} run"}[how]
    if name == "chroot":
        text = "chroot"
    print(f"| {text} | {t[who]:.2f} s | {min(times[who]):.2f} s | {t['capas_' + how] / t[who]:.2f} × |")
P
