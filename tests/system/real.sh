#!/bin/bash
# Real programs on a writable mount: databases, git, compilers, package managers, and the
# testers of file systems.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
need python3 git gcc tar
same() { python3 "$SRC/tests/system/treecmp.py" --ignore-xattr user.capas. "$@" || fail "trees differ: $*"; }
again() {
	umount_top
	mount_top real real
}

mkdir -p "${TMP:?}/lower/db" "${TMP:?}/lower/src"
cp -a /usr/include/linux "${TMP:?}/lower/include"
python3 - "${TMP:?}/lower/db/lower.sqlite" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("create table t(i integer primary key, v text)")
db.executemany("insert into t values(?, ?)", ((i, "lower" * 20) for i in range(5000)))
db.commit()
P
layer_tar "${TMP:?}/lower" "${TMP:?}/lower.tar"
"$CAPAS" import "${TMP:?}/lower.tar" real >/dev/null || fail "import"
mount_top real real

echo "- sqlite, write-ahead log, a database of a lower layer, two writers"
cat >"${TMP:?}/db.py" <<'P'
import sqlite3, sys
path, who = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path, timeout=60)
assert db.execute("pragma journal_mode=wal").fetchone()[0] == "wal"
for i in range(300):
    with db:
        db.execute("insert into t values(?, ?)", (10**6 * who + i, "x" * (i % 700)))
        db.execute("update t set v = v || 'y' where i = ?", (i,))
P
python3 "${TMP:?}/db.py" "$MNT/db/lower.sqlite" 1 & one=$!
python3 "${TMP:?}/db.py" "$MNT/db/lower.sqlite" 2 || fail "sqlite"
wait "$one" || fail "sqlite, the other writer"
check_db() {
	python3 - "$MNT/db/lower.sqlite" <<'P' || fail "the database"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
assert db.execute("select count(*) from t").fetchone()[0] == 5600
assert db.execute("select v from t where i = 7").fetchone()[0] == "lower" * 20 + "yy"
P
}
check_db
again
check_db

echo "- git: add, commit, change, gc, fsck, clone"
g() { git -C "$MNT/include" -c user.name=t -c user.email=t@example -c init.defaultBranch=m "$@"; }
g init -q && g add . && g commit -qm one || fail "git commit"
for f in "$MNT"/include/a*.h; do echo "/* changed */" >>"$f"; done
g mv can can2 && g add -A && g commit -qm two && g gc -q && g fsck --full --strict || fail "git"
again
g fsck --full || fail "git fsck after a remount"
[ -z "$(g status --porcelain)" ] || fail "git status: $(g status --porcelain | head -3)"
git clone -q "$MNT/include" "$MNT/clone" && [ "$(git -C "$MNT/clone" rev-list --count HEAD)" = 2 ] ||
	fail "git clone"

echo "- tar and cp keep everything"
tar -C /usr/include -cf "${TMP:?}/x.tar" x86_64-linux-gnu 2>/dev/null || fail "tar c"
mkdir "$MNT/x" "${TMP:?}/x"
tar -C "$MNT/x" -xpf "${TMP:?}/x.tar" || fail "tar x"
tar -C "${TMP:?}/x" -xpf "${TMP:?}/x.tar"
cp -a "$MNT/x" "$MNT/y" || fail "cp -a"
touch -r "$MNT/x" "${TMP:?}/x"
same "${TMP:?}/x" "$MNT/x"
same "$MNT/x" "$MNT/y"
tar -C "$MNT/x" -df "${TMP:?}/x.tar" || fail "tar d"

echo "- gcc, make-like, and the program runs"
cat >"$MNT/src/a.c" <<'C'
#include <stdio.h>
int twice(int);
int main(void) { printf("%d\n", twice(21)); return 0; }
C
echo 'int twice(int x) { return 2 * x; }' >"$MNT/src/b.c"
(cd "$MNT/src" && gcc -O1 -g -c a.c && gcc -O1 -g -c b.c && ar rc libb.a b.o &&
	gcc -o prog a.o libb.a && strip -o prog2 prog) || fail "gcc"
[ "$("$MNT/src/prog")" = 42 ] && [ "$("$MNT/src/prog2")" = 42 ] || fail "the program"

echo "- python: a virtual environment, compiled modules"
/usr/bin/python3 -m venv --without-pip "$MNT/venv" || fail "venv"
cp -r /usr/lib/python3*/json /usr/lib/python3*/email "$MNT/venv/lib/"
"$MNT/venv/bin/python" -m compileall -q "$MNT/venv/lib/json" "$MNT/venv/lib/email" || fail "compileall"
again
[ "$("$MNT/venv/bin/python" -c 'import sys; print(sys.prefix)')" = "$MNT/venv" ] || fail "the environment"
[ "$("$MNT/src/prog")" = 42 ] || fail "the program after a remount"

if command -v fio >/dev/null; then
	echo "- fio verifies what it wrote"
	for engine in psync mmap libaio; do
		for direct in 0 1; do
			[ "$engine$direct" != mmap1 ] || continue
			fio --name=v --directory="$MNT" --filename="fio.$engine" --ioengine=$engine \
				--direct=$direct --rw=randrw --bsrange=4k-64k --size=24m --verify=crc32c \
				--verify_fatal=1 --aux-path="${TMP:?}" --iodepth=8 --fsync=50 --output="${TMP:?}/fio" ||
				fail "fio $engine direct=$direct: $(tail -5 "${TMP:?}/fio")"
		done
	done
else
	echo "SKIP: no fio"
fi

if command -v stress-ng >/dev/null; then
	echo "- stress-ng, the stressors of file systems that stay in their folder"
	mkdir "$MNT/stress"
	known=" $(stress-ng --class 'filesystem?' 2>&1 | sed 's/.*://') "
	for s in access acl chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate \
		fcntl filename flock fpunch fsize fstat getdent hdd inotify iomix link locka lockf \
		lockofd mknod open rename symlink sync-file touch utime xattr; do
		case $known in *" $s "*) ;; *) continue ;; esac
		# Not verified: what FUSE cannot do at all ends with "not implemented" (3, 4).
		rc=0
		(cd "$MNT/stress" && stress-ng --temp-path . --"$s" 2 --timeout 1 --verify --quiet \
			>"${TMP:?}/stress" 2>&1) || rc=$?
		case $rc in
		0) ;;
		3 | 4) echo "  $s: not here" ;;
		1)
			# Some versions list what they were built without.
			grep -q "unrecognized option '--$s'" "${TMP:?}/stress" ||
				fail "stress-ng --$s ends with $rc: $(cat "${TMP:?}/stress")"
			echo "  $s: not here"
			;;
		*) fail "stress-ng --$s ends with $rc: $(cat "${TMP:?}/stress")" ;;
		esac
	done
	[ -z "$(ls "$MNT/stress")" ] || fail "stress-ng left $(ls "$MNT/stress" | head -3)"
else
	echo "SKIP: no stress-ng"
fi
umount_top

echo "- apt installs a package into the real image, dpkg --verify agrees"
DEBIAN=$SRC/build/fixture/debian
if [ ! -e "$DEBIAN/.complete" ]; then
	echo "SKIP: no Debian image: tests/run makes one"
elif ! timeout 20 python3 -c 'import urllib.request as u; u.urlopen("http://deb.debian.org/debian/dists/bookworm/InRelease").read(100)' 2>/dev/null; then
	echo "SKIP: Debian's mirror is not reachable"
else
	tar -C "$DEBIAN" -cf "${TMP:?}/debian.tar" .
	image=$("$CAPAS" --quiet load -i "${TMP:?}/debian.tar" | sed -n 's/^Loaded image: //p' | head -1)
	rm "${TMP:?}/debian.tar"
	[ -n "$image" ] || fail "load of the Debian image"
	mount_top apt "$image"
	cat >"${TMP:?}/inside" <<'C'
set -eu
root=$1
shift
mount --bind /dev/null "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
mount -t proc proc "$root/proc"
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
C
	inside() { unshare -m sh "${TMP:?}/inside" "$MNT" "$@"; }
	cp /etc/resolv.conf "$MNT/etc/resolv.conf"
	for n in null urandom; do [ -e "$MNT/dev/$n" ] || : >"$MNT/dev/$n"; done
	inside dpkg --verify >"${TMP:?}/verify.before" || :
	inside apt-get -q update >"${TMP:?}/apt" 2>&1 || fail "apt-get update: $(tail -5 "${TMP:?}/apt")"
	inside apt-get -qy --no-install-recommends install jq less file >"${TMP:?}/apt" 2>&1 ||
		fail "apt-get install: $(tail -5 "${TMP:?}/apt")"
	verify() {
		inside dpkg --verify >"${TMP:?}/verify" || :
		diff "${TMP:?}/verify.before" "${TMP:?}/verify" || fail "dpkg --verify"
		[ -z "$(inside dpkg --audit)" ] || fail "dpkg --audit"
		[ "$(echo '{"a": 7}' | inside jq .a)" = 7 ] || fail "jq does not run"
	}
	verify
	umount_top
	mount_top apt "$image"
	verify
	inside apt-get -qy purge less file >"${TMP:?}/apt" 2>&1 || fail "apt-get purge: $(tail -5 "${TMP:?}/apt")"
	verify
	umount_top
fi
echo ok
