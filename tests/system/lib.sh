# Sourced by the system tests. CAPAS is the program under test, SRC the source tree.
set -u
: "${CAPAS:?}" "${SRC:?}"
TMP=$(mktemp -d "${TMPDIR:-/var/tmp}/capas-test.XXXXXX") || exit 1
export CAPAS_ROOT=$TMP/store
MNT=$TMP/mnt
mkdir -p "$MNT"

cleanup() {
	local dir
	# Deepest first; only what this test mounted.
	awk -v t="${TMP:?}" '$5 == t || index($5, t "/") == 1 {print $5}' /proc/self/mountinfo | sort -r |
		while read -r dir; do umount -l "$dir"; done
	cd /
	rm -rf --one-file-system "${TMP:?}"
}
trap cleanup EXIT

skip() {
	echo "SKIP: $*"
	exit 77
}
fail() {
	echo "FAIL: $*" >&2
	exit 1
}
# is WHAT IT SHOULD-BE
is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
# refuses STATUS TEXT COMMAND...: it must fail with that status, and say that
refuses() {
	local status=$1 text=$2 out rc=0
	shift 2
	out=$("$@" 2>&1) || rc=$?
	[ $rc = "$status" ] || fail "'$*' ended with $rc, not $status: $out"
	case $out in
	*"$text"*) ;;
	*) fail "'$*' does not say '$text': $out" ;;
	esac
}
need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
}
need_fuse() {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	[ "$(id -u)" = 0 ] || skip "not root"
}
# Where root may, $TMP becomes a tmpfs: what is tested there is not the disk's speed.
fast_tmp() {
	if [ "$(id -u)" = 0 ] && mount -t tmpfs -o mode=0755,size="${1:-512m}" tmpfs "${TMP:?}" 2>/dev/null; then
		mkdir -p "$MNT"
	fi
}
# A small root with something of everything, as $TMP/root and $TMP/root.tar
make_root() {
	mkdir -p "$TMP/root/etc" "$TMP/root/bin" "$TMP/root/deep/er"
	echo hola >"$TMP/root/etc/greeting"
	ln -s ../etc/greeting "$TMP/root/bin/link"
	ln "$TMP/root/etc/greeting" "$TMP/root/deep/hard"
	truncate -s 1M "$TMP/root/deep/hole"
	head -c 300000 /dev/urandom >"$TMP/root/deep/er/random"
	chmod 4755 "$TMP/root/deep/er/random"
	mkfifo "$TMP/root/fifo"
	touch -d '2001-02-03 04:05:06.789' "$TMP/root/etc/greeting"
	[ "$(id -u)" != 0 ] || mknod "$TMP/root/null" c 1 3
	tar -C "$TMP/root" --format=pax --numeric-owner -cf "$TMP/root.tar" .
}
# The real Debian image of tests/run, as an OCI layout
debian_layout() {
	DEBIAN=$SRC/build/fixture/debian
	[ -e "$DEBIAN/.complete" ] || skip "no Debian image: tests/run makes one"
}
