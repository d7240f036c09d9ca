#!/bin/bash
# Volatile tops: no sync waits for the disk; whole as long as the machine runs, and
# refused, not half believed, when it went down.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
need strace jq
small_image small
folder() { echo "$CAPAS_ROOT/tops/$("$CAPAS" inspect "$1" | jq -r '.[0].Id')"; }

"$CAPAS" mount --rw --top loose -o volatile small "$MNT"
echo kept >"$MNT/file"
sync "$MNT/file" "$MNT"
umount "$MNT"
loose=$(echo "$CAPAS_ROOT"/tops/*/)
[ -L "$loose/volatile" ] || fail "it does not say that it is volatile"
# In another boot.
boot=$(readlink "$loose/volatile")
is "the boot" "$boot" "$(cat /proc/sys/kernel/random/boot_id)"
ln -sfn 01234567-89ab-cdef-0123-456789abcdef "$loose/volatile"
cp "$loose/log" "$TMP/log"
for try in "mount --rw --top loose small $MNT" "mount --rw --top loose -o volatile small $MNT" \
	"mount --ro --top loose small $MNT" "diff loose" "commit loose x:1" "export -o $TMP/tar loose"; do
	rc=0
	"$CAPAS" $try >"$TMP/out" 2>&1 || rc=$?
	is "$try after the machine went down" $rc 1
	grep -q "volatile.*went down" "$TMP/out" || fail "$try: $(cat "$TMP/out")"
done
cmp "$TMP/log" "$loose/log" || fail "a refusal changed the log"
# In this one.
ln -sfn "$boot" "$loose/volatile"
"$CAPAS" mount --rw --top loose small "$MNT"
is "what was written" "$(cat "$MNT/file")" kept
[ ! -L "$loose/volatile" ] || fail "a durable mount leaves it volatile"
umount "$MNT"
"$CAPAS" rm loose >/dev/null

# What is removed at its end is not synced, and can be committed all the same.
"$CAPAS" run --rm -d --name passing small sh -c 'echo here >/file; sync; echo done; exec sleep 100' >/dev/null
for _ in $(seq 100); do ! "$CAPAS" logs passing | grep -q done || break; sleep 0.05; done
[ -L "$(folder passing)/volatile" ] || fail "run --rm is not volatile"
"$CAPAS" commit passing made:1 >/dev/null
is "the commit of what is removed" "$("$CAPAS" cat made:1:/file)" here
monitor=$(jq .Monitor "$(folder passing)/state.json")
kill -KILL "$monitor"
for _ in $(seq 100); do [ -n "$("$CAPAS" ps -q)" ] || break; sleep 0.05; done
is "after a kill" "$("$CAPAS" diff passing | grep file)" "A /file"
"$CAPAS" rm -f passing >/dev/null
strace -f -qq -e trace=fsync,fdatasync,syncfs,sync_file_range -o "$TMP/trace" \
	"$CAPAS" run --rm small sh -c 'for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/$i bs=300k count=1 conv=fsync; done' 2>/dev/null
asked=$(grep -c "fsync(" "$TMP/trace" || true)
[ "$asked" -ge 8 ] || fail "the program's syncs are not seen: $asked"
syncs=$(grep -c "fdatasync\|syncfs" "$TMP/trace" || true)
[ "$syncs" -lt 4 ] || fail "$syncs syncs for a container that is removed"
"$CAPAS" fsck >/dev/null || fail "fsck"
