#!/bin/bash
# Eight processes on one store: no image that was acknowledged is lost, nobody waits for
# ever, fsck is clean at every moment.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need tar gzip
fast_tmp
cd "${TMP:?}" || exit 1
SECONDS_OF_IT=20

# tarball NAME TEXT: a root whose /id says TEXT
tarball() {
	mkdir -p "t.$1/etc"
	echo "$2" >"t.$1/id"
	head -c 200000 /dev/urandom >"t.$1/etc/random"
	tar -C "t.$1" --numeric-owner -czf "$1" .
	rm -rf "${TMP:?}/t.$1"
}
tarball base.tgz base
tarball loaded.tgz loaded
"$CAPAS" import base.tgz base:1 >/dev/null || fail import
"$CAPAS" --root other import loaded.tgz loaded:1 >/dev/null && "$CAPAS" --root other tag loaded:1 loaded:2 || fail import
"$CAPAS" --root other save -o loaded.tar loaded:1 loaded:2 || fail save

# ---- who comes between ----

# What is given a name while its last one goes is whole, or is not given it.
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	tarball fleeting.tgz fleeting
	"$CAPAS" import fleeting.tgz fleeting:1 >/dev/null
	strace -o /dev/null -e trace=flock -e inject=flock:delay_enter=500000 "$CAPAS" tag fleeting:1 fleeting:2 2>err &
	tagger=$!
	sleep 0.2
	"$CAPAS" rmi fleeting:1 >/dev/null || fail rmi
	"$CAPAS" gc >/dev/null || fail gc
	if wait $tagger; then
		[ "$("$CAPAS" cat fleeting:2:/id)" = fleeting ] || fail "a name was given to what gc took"
		"$CAPAS" rmi fleeting:2 >/dev/null
	fi
	# An archive's index may be taken by gc before it was used once.
	strace -f -o /dev/null -e trace=linkat -e inject=linkat:delay_exit=300000 "$CAPAS" ls tar:loaded.tgz >/dev/null 2>err &
	lister=$!
	while kill -0 $lister 2>/dev/null; do "$CAPAS" gc >/dev/null || fail gc; done
	wait $lister || fail "gc came between: $(cat err)"
fi

# ---- all at once ----

end=$((SECONDS + SECONDS_OF_IT))
say() { echo "$1: $2" >>failures; }
# one WHO COMMAND...: bounded; its output is in out.WHO
one() {
	local who=$1 rc=0
	shift
	timeout 30 "$@" >"out.$who" 2>&1 || rc=$?
	[ $rc != 124 ] || say "$who" "'$*' hangs"
	return $rc
}
must() {
	local who=$1
	shift
	one "$who" "$@" || say "$who" "'$*': $(cat "out.$who")"
}
holds() { # WHO NAME TEXT
	must "$1" "$CAPAS" cat "$2:/id"
	[ "$(cat "out.$1")" = "$3" ] || say "$1" "$2 holds '$(cat "out.$1")'"
}

# Makes images, and takes some of them away.
maker() {
	local n=0
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		tarball "$1.$n.tgz" "$1 $n"
		must "$1" "$CAPAS" import "$1.$n.tgz" "$1:$n"
		rm "$1.$n.tgz"
		holds "$1" "$1:$n" "$1 $n"
		if [ $((n % 3)) = 0 ]; then
			must "$1" "$CAPAS" rmi "$1:$n"
		else
			echo "$1:$n $1 $n" >>"ack.$1"
		fi
	done
}
loader() {
	while [ $SECONDS -lt $end ]; do
		must loader "$CAPAS" load -i loaded.tar
		holds loader loaded:1 loaded
		must loader "$CAPAS" rmi loaded:1
		holds loader loaded:2 loaded
		must loader "$CAPAS" rmi loaded:2
	done
}
tagger() {
	local n=0
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		must tagger "$CAPAS" tag base:1 "tagged:$n"
		holds tagger "tagged:$n" base
		[ $n -lt 4 ] || must tagger "$CAPAS" rmi "tagged:$((n - 3))"
		echo $n >tagged
	done
}
# One name, many meanings; what loses it is garbage.
displacer() {
	local n=0
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		tarball d.tgz "displaced $n"
		must displacer "$CAPAS" import d.tgz displaced:1
		holds displacer displaced:1 "displaced $n"
	done
}
collector() {
	local n=0
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		must collector "$CAPAS" gc --untagged
		echo $n >collected
	done
}
checker() {
	while [ $SECONDS -lt $end ]; do
		must checker "$CAPAS" fsck
		must checker "$CAPAS" images
	done
}
mounter() {
	while [ $SECONDS -lt $end ]; do
		if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
			must mounter "$CAPAS" mount base:1 "$MNT"
			[ "$(cat "$MNT/id")" = base ] || say mounter "base:1 is something else"
			must mounter "$CAPAS" umount "$MNT"
			must mounter "$CAPAS" mount --layers tar:loaded.tgz "$MNT"
			[ "$(cat "$MNT/1/files/id")" = loaded ] || say mounter "tar: is something else"
			must mounter "$CAPAS" umount "$MNT"
		fi
		must mounter "$CAPAS" ls -lR tar:loaded.tgz
	done
}
pids=()
for who in "maker one" "maker two" loader tagger displacer collector checker mounter; do
	($who) &
	pids+=($!)
done
for p in "${pids[@]}"; do wait "$p" || fail "a process ended with $?"; done
[ ! -e failures ] || fail "$(sort failures | uniq -c | sort -rn | head -20)"

# Exactly what was acknowledged is there.
n=$(cat tagged)
{
	sed 's/ .*//' ack.one ack.two
	echo base:1
	echo displaced:1
	for i in $((n - 2)) $((n - 1)) $n; do [ "$i" -lt 1 ] || echo "tagged:$i"; done
} | sort >want
"$CAPAS" gc --untagged >/dev/null || fail gc
"$CAPAS" images | awk 'NR > 1 {print $1 ":" $2}' | sort >have
diff want have || fail "other images than those that were acknowledged"
cat ack.one ack.two >ack
while read -r name text; do
	[ "$("$CAPAS" cat "$name:/id")" = "$text" ] || fail "$name is something else"
done <ack
[ "$("$CAPAS" fsck)" = clean ] || fail fsck
[ -z "$(ls "$CAPAS_ROOT/tmp")" ] || fail "left in tmp/"
[ "$(wc -l <ack)" -gt 1 ] && [ "$n" -gt 1 ] && [ "$(cat collected)" -gt 2 ] || fail "too little was done: $(wc -l <ack) images, $n tags, $(cat collected) gc"
echo "ok: $(wc -l <ack) images, $n tags, $(cat collected) times gc"
