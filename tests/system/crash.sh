#!/bin/bash
# Any process of a container is killed at any moment: ps tells the truth, nothing runs on,
# what was written is there, start works, rm cleans.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small
state() { "$CAPAS" inspect "$1" | python3 -c 'import json, sys; s = json.load(sys.stdin)[0]["State"]; print(s["Status"], s["ExitCode"])'; }
init_of() { "$CAPAS" inspect "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["State"]["Pid"])'; }
monitor_of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["Monitor"])' "$CAPAS_ROOT"/tops/"$("$CAPAS" ps -aq --no-trunc --filter "name=$1")"/state.json; }
gone() { # PID: it ends within a moment
	for _ in $(seq 100); do
		[ -e "/proc/$1" ] || return 0
		grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null && return 0
		sleep 0.05
	done
	return 1
}

# ---- the monitor ----
"$CAPAS" run -d --name work small sh -c 'echo kept >/file; while :; do sleep 0.1; done' >/dev/null
for _ in $(seq 50); do [ "$("$CAPAS" exec work cat /file 2>/dev/null)" != kept ] || break; sleep 0.05; done
init=$(init_of work)
kill -KILL "$(monitor_of work)"
gone "$init" || fail "the init outlives its monitor"
is "ps after the monitor's death" "$(state work)" "exited 137"
[ -z "$("$CAPAS" ps -q)" ] || fail "ps shows it running: $("$CAPAS" ps)"
is "wait after the monitor's death" "$("$CAPAS" wait work)" 137
refuses 1 "is not running" "$CAPAS" exec work true
"$CAPAS" diff work | grep -qx 'A /file' || fail "what was written is lost"
is "start after the monitor's death" "$("$CAPAS" start work)" work
is "what was written" "$("$CAPAS" exec work cat /file)" kept
# Who was attached hears of it.
rc=0
"$CAPAS" attach --no-stdin work >/dev/null 2>"$TMP/err" &
attached=$!
sleep 0.3
kill -KILL "$(monitor_of work)"
wait $attached || rc=$?
is "the status of who was attached" $rc 137
is "rm after a crash" "$("$CAPAS" rm work)" work

# ---- the init ----
"$CAPAS" run -d --name work small sleep 1000 >/dev/null
kill -KILL "$(init_of work)"
is "wait for a killed init" "$("$CAPAS" wait work)" 137
is "ps after the init's death" "$(state work)" "exited 137"
"$CAPAS" rm work >/dev/null

# ---- who started it ----
"$CAPAS" run --name work small sh -c 'while :; do sleep 0.1; done' >/dev/null &
runner=$!
for _ in $(seq 100); do [ "$(state work 2>/dev/null)" != "running 0" ] || break; sleep 0.05; done
kill -KILL $runner
wait $runner 2>/dev/null || true
is "it goes on without who started it" "$(state work)" "running 0"
is "and is stopped" "$("$CAPAS" stop -t 0 work)" work
"$CAPAS" rm work >/dev/null

# ---- the program's children go with it ----
"$CAPAS" run --name work small sh -c 'sleep 1000 & sleep 1000 & exit 0'
sleep 0.2
[ -z "$(ours)" ] || fail "processes are left: $(ours)"
"$CAPAS" rm work >/dev/null

# ---- everything, at any moment ----
# Delays in ms that hit every part of a start, and of an end.
for round in $(seq "${ROUNDS:-30}"); do
	"$CAPAS" run --name "c$round" small sh -c 'echo x >/x; sleep 0.05' >/dev/null 2>&1 &
	sleep "$(printf '0.%03d' $((round * 5 % 150)))"
	for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
	wait
	"$CAPAS" ps -a >"$TMP/ps" || fail "round $round: ps: $(cat "$TMP/ps")"
	grep -q Up "$TMP/ps" && fail "round $round: $(cat "$TMP/ps")"
	if "$CAPAS" inspect "c$round" >/dev/null 2>&1; then
		rc=0
		"$CAPAS" start -a "c$round" >"$TMP/err" 2>&1 || rc=$?
		is "round $round: start again: $(cat "$TMP/err")" $rc 0
		"$CAPAS" rm "c$round" >/dev/null || fail "round $round: rm"
	fi
	[ -z "$(ls "$CAPAS_ROOT/tops" 2>/dev/null)" ] || fail "round $round: folders are left"
done
[ -z "$(ours)" ] || fail "processes are left: $(ours)"
is fsck "$("$CAPAS" fsck)" clean
[ -z "$(ls "$CAPAS_ROOT/tmp")" ] || fail "tmp/ is not empty: $(ls "$CAPAS_ROOT/tmp")"
! grep -q "^[^-]* - fuse.capas c[0-9]" /proc/self/mountinfo || fail "mounts are left"
echo ok
