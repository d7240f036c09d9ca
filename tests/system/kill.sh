#!/bin/bash
# kill -9 at any system call of import, load, save, rmi and gc: the next command works,
# fsck is clean, nothing acknowledged is lost, nothing half-done is visible, and doing
# it again gives the same.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need strace tar gzip
fast_tmp
shopt -s nullglob
export SOURCE_DATE_EPOCH=1700000000
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

CALLS="openat write pwrite64 rename renameat renameat2 link linkat unlink unlinkat
mkdir mkdirat fsync fdatasync ftruncate flock"

mkdir -p "$TMP/a/etc" "$TMP/b/etc"
echo kept >"$TMP/a/etc/name"
echo new >"$TMP/b/etc/name"
head -c 300000 /dev/urandom >"$TMP/b/etc/random"
tar -C "$TMP/a" --numeric-owner -cf "$TMP/a.tar" .
tar -C "$TMP/b" --numeric-owner -czf "$TMP/b.tar.gz" .
"$CAPAS" --root "$TMP/other" import "$TMP/b.tar.gz" new:1 >/dev/null || fail import
"$CAPAS" --root "$TMP/other" save -o "$TMP/b.oci" new:1 || fail save

# The stores that each command starts from.
"$CAPAS" --root "$TMP/one" import "$TMP/a.tar" keep:1 >/dev/null || fail import
cp -a "$TMP/one" "$TMP/two"
"$CAPAS" --root "$TMP/two" import "$TMP/b.tar.gz" new:1 >/dev/null || fail import
cp -a "$TMP/two" "$TMP/waste"
"$CAPAS" --root "$TMP/waste" ls new:1 >/dev/null || fail ls
"$CAPAS" --root "$TMP/waste" rmi new:1 >/dev/null || fail rmi
mkdir "$TMP/none"

# What is in a store, and what its images hold.
contents() {
	(cd "$1" && cksum index.json */sha256/*)
}
# The next command is fsck: it must work, and find nothing.
check() {
	local where=$1 kept=$2 out left
	out=$("$CAPAS" fsck 2>&1) && [ "$out" = clean ] || fail "$where: fsck: $out"
	left=("$CAPAS_ROOT"/tmp/*)
	[ ${#left[@]} = 0 ] || fail "$where: left in tmp/: ${left[*]}"
	[ "$kept" = no ] || [[ $(<"$CAPAS_ROOT/index.json") = *keep:1* ]] || fail "$where: keep:1 is lost"
}

# again NAME WHERE COMMAND...: the command once more, after it was killed
again() {
	local name=$1 where=$2
	shift 2
	"$@" >out 2>&1 || [ "$name" = rmi ] || fail "$where: again: $(<out)" # rmi may have done its work
	[ ! -e x.tar ] || cksum <x.tar >>out
	case $name in
	first | import | save) cmp -s out ref.out || fail "$where: another result: $(<out), not $(<ref.out)" ;;
	esac
	"$CAPAS" gc >/dev/null || fail "$where: gc"
	contents "$CAPAS_ROOT" >now
	cmp -s now ref || fail "$where: another store: $(diff ref now)"
}

# kill_at NAME STORE KEEPS CALL N COMMAND...: 1 when there is no such call any more
kill_at() {
	local name=$1 from=$2 keeps=$3 call=$4 n=$5 rc left where="$1: killed at $4 $5"
	shift 5
	rm -rf "${CAPAS_ROOT:?}" x.tar*
	cp -a "$from" "$CAPAS_ROOT"
	# In a shell of its own, which alone would say "Killed".
	rc=0
	(exec 2>/dev/null; strace -f -o /dev/null -e trace=$call -e inject=$call:signal=SIGKILL:when=$n "$@" >out; exit $?) || rc=$?
	[ $rc != 0 ] || return 1
	[ $rc = 137 ] || fail "$where: ended with $rc: $(<out)"
	check "$where" "$keeps"
	[ ! -e x.tar ] || tar tf x.tar >/dev/null || fail "$where: half a file"
	left=(x.tar.*)
	[ ${#left[@]} = 0 ] || fail "$where: left beside the output: ${left[*]}"
	again "$name" "$where" "$@"
}

# sweep NAME STORE KEEPS COMMAND...: with each call of each kind as the last one
sweep() {
	local name=$1 from=$2 keeps=$3 call n skip points=0
	shift 3
	export CAPAS_ROOT=$TMP/$name/store
	mkdir "$TMP/$name" && cd "$TMP/$name" || exit 1
	cp -a "$from" "$CAPAS_ROOT"
	strace -f -e trace=openat -o log "$@" >ref.out 2>&1 || fail "$name: $(<ref.out)"
	[ ! -e x.tar ] || cksum <x.tar >>ref.out
	"$CAPAS" gc >/dev/null || fail "$name: gc"
	contents "$CAPAS_ROOT" >ref
	# What the loader opens is not ours to survive.
	skip=$(grep -cE '\.so[".0-9]' log) || true
	for call in $CALLS; do
		n=1
		[ $call = openat ] && n=$((skip + 1))
		while kill_at "$name" "$from" "$keeps" $call $n "$@"; do
			n=$((n + 1))
			[ $n -lt 200 ] || fail "$name: $call never ends"
			points=$((points + 1))
		done
	done
	[ $points -gt 15 ] || fail "$name: only $points points"
	echo "$name: killed at $points points"
}

{
	sweep first "$TMP/none" no "$CAPAS" import "$TMP/a.tar" keep:1 &&
		sweep save "$TMP/two" yes "$CAPAS" save -o x.tar new:1 &&
		sweep rmi "$TMP/two" yes "$CAPAS" rmi new:1
} &
one=$!
{
	sweep import "$TMP/one" yes "$CAPAS" import "$TMP/b.tar.gz" new:1 &&
		sweep load "$TMP/one" yes "$CAPAS" load -i "$TMP/b.oci" &&
		sweep gc "$TMP/waste" yes "$CAPAS" gc
} &
two=$!
wait $one || failed=1
wait $two || failed=1
[ "${failed-0}" = 0 ] || exit 1
echo ok
