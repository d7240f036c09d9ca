#!/bin/bash
# Writing on one real image through capas, kernel overlayfs and fuse-overlayfs, in turn,
# round by round, each round on a fresh writable layer.
# usage: tests/bench/write.sh CAPAS LAYOUT TAG      (root; the image needs gcc, git, python3)
#   ROUNDS=3        how often; medians are printed
#   CAPAS_OPTIONS=  more mount options, e.g. nowriteback, to see what a lever buys
#   APT=vim-tiny    also install this package with apt (needs Debian's mirror); "" not
. "$(dirname "$0")/lib.sh" || exit 1
use_layout "${2-}" "${3-}"
apt=${APT-}
need fuse-overlayfs gcc
names="capas overlay fuse-overlayfs"
gcc -O2 -D_GNU_SOURCE -o "$TMP/churn" "$SRC/tests/bench/churn.c"
use_layers "$TMP"
unpack_layers "$TMP"
load_layout

mount_one() { # NAME ROUND
	local up=$TMP/up-$1-$2
	case $1 in
	capas) "$CAPAS" mount --rw --top "r$2" -o "dev,suid${CAPAS_OPTIONS:+,$CAPAS_OPTIONS}" "$tag" "$MNT" ;;
	overlay)
		mkdir -p "$up" "$up.work"
		mount -t overlay -o "lowerdir=$lower,upperdir=$up,workdir=$up.work" overlay "$MNT"
		;;
	fuse-overlayfs)
		mkdir -p "$up" "$up.work"
		fuse-overlayfs -o "lowerdir=$lower,upperdir=$up,workdir=$up.work" "$MNT"
		;;
	esac
}
# timed NAME COMMAND...: one line "NAME 1 microseconds"
timed() {
	local name=$1 us
	shift
	us=$(took "$@")
	echo "$name 1 $us"
}
in_root() { chroot "$MNT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
build() {
	in_root sh -ec 'mkdir -p /build && cd /build
	for i in $(seq 40); do
		printf "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f%d(int x) { printf(\"%%d\", x); return x + %d; }\n" $i $i >f$i.c
		gcc -O1 -c f$i.c -o f$i.o
	done
	ar rcs libf.a f*.o'
}
repository() {
	in_root sh -ec 'mkdir /repo && cp -a /usr/include /repo/ && cd /repo && git init -q . &&
	git -c user.name=a -c user.email=a@b add -A && git -c user.name=a -c user.email=a@b commit -q -m all'
}
imports() { in_root python3 -c 'import json, email, http.client, xml.dom.minidom, unittest, asyncio, decimal, urllib.request'; }
install() { in_root sh -ec "apt-get update -q && apt-get install -y -q --no-install-recommends $apt"; }

run_one() { # NAME ROUND
	mount_one "$1" "$2"
	# Not every contender lets devices be opened.
	mount --bind /dev "$MNT/dev"
	{
		"${TMP:?}/churn" "$MNT"
		timed python-imports imports
		timed gcc-40-files build
		timed git-add-commit repository
		if [ -n "$apt" ]; then
			cp /etc/resolv.conf "$MNT/etc/resolv.conf"
			timed apt-install install
		fi
		umount "$MNT/dev"
		timed rm-rf-usr-share rm -rf "${MNT:?}/usr/share"
		timed umount umount "$MNT"
	} | sed "s/^/$1 /" >>"$TMP/results"
	rm -rf "${TMP:?}/up-$1-$2" "${TMP:?}/up-$1-$2.work"
	sync
}
for round in $(seq "$rounds"); do
	for name in $names; do
		run_one "$name" "$round"
	done
done

python3 - "$TMP/results" <<'P'
import collections, math, statistics, sys
times, order = collections.defaultdict(list), []
for line in open(sys.argv[1]):
    who, what, count, us = line.split()
    times[who, what].append(float(us))
    if what not in order:
        order.append(what)
def shown(us):
    return f"{us / 1e6:.2f} s" if us >= 1e6 else f"{us / 1e3:.2f} ms" if us >= 1e4 else f"{us:.1f} µs"
print("| work | capas | kernel overlayfs | fuse-overlayfs | to overlayfs | to fuse-overlayfs |")
print("|---|---|---|---|---|---|")
logs = [[], []]
for what in order:
    c, o, f = (statistics.median(times[who, what]) for who in ("capas", "overlay", "fuse-overlayfs"))
    print(f"| {what} | {shown(c)} | {shown(o)} | {shown(f)} | {c / o:.2f} × | {c / f:.2f} × |")
    if what != "umount":
        logs[0].append(math.log(c / o)); logs[1].append(math.log(c / f))
mean = [math.exp(sum(l) / len(l)) for l in logs]
print(f"| geometric mean (without umount) | | | | {mean[0]:.2f} × | {mean[1]:.2f} × |")
P
