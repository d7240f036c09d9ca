#!/bin/bash
# A monitor that does not answer (SIGSTOP): nobody waits for it for ever, and its
# container can be ended and removed.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small -c 'CMD ["sh", "-c", "trap : TERM USR1; echo here; while :; do sleep 0.2; done"]'
lives() { grep '^State:' "/proc/$1/status" 2>/dev/null | grep -qv zombie; }
for name in looked stopped killed removed; do
	"$CAPAS" run -d --name $name small >/dev/null
done
sleep 0.3
"$CAPAS" attach --no-stdin looked >/dev/null 2>"$TMP/attached" &
attached=$!
sleep 0.2
inits=$(for name in looked stopped killed removed; do "$CAPAS" inspect $name | sed -n 's/.*"Pid": \([0-9]*\),.*/\1/p'; done)
is "how many run" "$(wc -w <<<"$inits")" 4
for name in looked stopped killed removed; do kill -STOP "$(monitor_of $name)"; done

# What only reads does not ask it.
is "ps" "$(timeout 5 "$CAPAS" ps -q | wc -l)" 4
timeout 5 "$CAPAS" inspect looked >/dev/null || fail inspect
timeout 5 "$CAPAS" top looked | grep -q 'sleep 0.2\|while' || fail top
is logs "$(timeout 5 "$CAPAS" logs looked)" here

# Everything else gives up after a while, all at once here.
deaf="monitor does not answer"
try() { # NAME STATUS TEXT COMMAND...
	local name=$1
	shift
	(refuses "$@") 2>"$TMP/try.$name" || echo "$name" >>"$TMP/failed"
}
try exec 1 "$deaf" timeout 40 "$CAPAS" exec looked true &
try cp 1 "$deaf" timeout 40 "$CAPAS" cp looked:/etc/passwd "$TMP/out" &
try kill 1 "$deaf" timeout 40 "$CAPAS" kill -s USR1 looked &
try stop 0 stopped timeout 50 "$CAPAS" stop -t 1 stopped &
try killed 0 killed timeout 50 "$CAPAS" kill killed &
try rm 0 removed timeout 50 "$CAPAS" rm -f removed &
kill -TERM $attached
rc=0 && wait $attached || rc=$?
is "the status of an attach that was told to end" $rc 1
grep -q "$deaf" "$TMP/attached" || fail "attach says: $(cat "$TMP/attached")"
wait
[ ! -e "$TMP/failed" ] || fail "$(cd "$TMP" && cat try.*)"
for name in stopped killed; do
	"$CAPAS" ps -a --filter name=$name | grep -q 'Exited (137)' || fail "$name: $("$CAPAS" ps -a)"
done
is "what still runs" "$("$CAPAS" ps --format '{{.Names}}' 2>/dev/null || "$CAPAS" ps | awk 'NR > 1 {print $NF}')" looked
# It was only asleep.
kill -CONT "$(monitor_of looked)"
is exec "$("$CAPAS" exec looked echo back)" back
is start "$("$CAPAS" start stopped) $("$CAPAS" exec stopped echo again)" "stopped again"
is "rm -f" "$("$CAPAS" rm -f looked stopped killed | wc -l)" 3
for pid in $inits; do
	for _ in $(seq 50); do lives "$pid" || break; sleep 0.1; done
	! lives "$pid" || fail "process $pid is left"
done
is "what is left" "$(ls "$CAPAS_ROOT/tops" "$CAPAS_ROOT/tmp" | grep -v :)" ""
is fsck "$("$CAPAS" fsck)" clean
echo ok
