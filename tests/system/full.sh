#!/bin/bash
# Containers on a disk that is full: what they are told, what is true of them, and that
# they can be used again when there is room.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
mkdir "${CAPAS_ROOT:?}"
mount -t tmpfs -o size=24m tmpfs "$CAPAS_ROOT" || fail "tmpfs"
small_image small
state_of() { "$CAPAS" ps -a --filter "name=$1" | sed -n 2p; }
fill() {
	cat /dev/zero >"$CAPAS_ROOT/fill" 2>/dev/null || true
	is "what is free" "$(stat -f -c %f "$CAPAS_ROOT")" 0
}

"$CAPAS" create --name idle small true >/dev/null
"$CAPAS" run -d --name talk small sh -c 'while [ ! -e /stop ]; do echo line; sleep 0.05; done; exit 3' >/dev/null
"$CAPAS" run -d --rm --name fleeting small sh -c 'while [ ! -e /stop ]; do sleep 0.05; done' >/dev/null
"$CAPAS" run -d --name work small sleep 1000 >/dev/null
fill

# ---- while they run ----
refuses 125 "No space left" "$CAPAS" run --rm small true
refuses 1 "No space left" "$CAPAS" start idle
state_of idle | grep -q Created || fail "what could not start: $(state_of idle)"
# A file of some size, of which no part fits.
rc=0 && "$CAPAS" exec work sh -c 'echo small >/small; cat /bin/busybox >/large' 2>/dev/null || rc=$?
is "the status of a cat that found no room" $rc 1
"$CAPAS" diff work | grep -qx 'A /small' || fail "diff on a full disk: $("$CAPAS" diff work)"
refuses 1 "No space left" "$CAPAS" commit work new:1
refuses 1 "No space left" "$CAPAS" rename work other
# Output that cannot be kept is passed on all the same, and nobody ends for it.
timeout 20 "$CAPAS" attach --no-stdin talk >"$TMP/attached" &
attached=$!
for _ in $(seq 200); do [ "$(wc -l <"$TMP/attached")" -lt 20 ] || break; sleep 0.05; done

# ---- the end ----
"$CAPAS" exec talk touch /stop 2>/dev/null
rc=0 && wait $attached || rc=$?
is "the status that attach hears" $rc 3
is "the status that is kept" "$("$CAPAS" wait talk)" 3
state_of talk | grep -q 'Exited (3)' || fail "ps: $(state_of talk)"
"$CAPAS" exec fleeting touch /stop 2>/dev/null
for _ in $(seq 100); do [ -n "$(state_of fleeting)" ] || break; sleep 0.05; done
is "run --rm" "$(state_of fleeting)" ""
is kill "$("$CAPAS" kill work)" work
state_of work | grep -q 'Exited (137)' || fail "ps: $(state_of work)"

# ---- room again ----
rm "${CAPAS_ROOT:?}/fill"
is start "$("$CAPAS" start -a idle && "$CAPAS" start work)" work
is "what was written" "$("$CAPAS" exec work cat /small)" small
fill
is "rm" "$("$CAPAS" rm -f work talk idle | wc -l)" 3
[ "$(stat -f -c %f "$CAPAS_ROOT")" -gt 1000 ] || fail "rm gives nothing back"
rm "${CAPAS_ROOT:?}/fill"
is "what is left" "$(ls "$CAPAS_ROOT/tops" "$CAPAS_ROOT/tmp" | grep -v :)" ""
is fsck "$("$CAPAS" fsck)" clean
is run "$("$CAPAS" run --rm small echo again)" again
echo ok
