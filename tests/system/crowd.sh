#!/bin/bash
# Many at one container: attached, asking, waiting, starting, running programs in it.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small
kinds() { cat "$@" | sort | uniq -c | sed 's/^ *//'; }

# ---- more are attached than may be: everybody else is answered ----
"$CAPAS" run -d -i --name box small sh -c 'trap "" TERM; while read -r line; do echo "got $line"; done; exit 7' >/dev/null
for i in $(seq 70); do
	(rc=0; "$CAPAS" attach --no-stdin box >"$TMP/out.$i" 2>"$TMP/err.$i" || rc=$?; echo $rc >"$TMP/rc.$i") &
done
for _ in $(seq 200); do [ "$(cat "$TMP"/rc.* 2>/dev/null | wc -l)" -lt 6 ] || break; sleep 0.05; done
is "those who are refused" "$(kinds "$TMP"/rc.*)" "6 1"
is "what they are told" "$(kinds "$TMP"/err.*)" "6 capas: attach: too many are attached to the container"
is exec "$(timeout 9 "$CAPAS" exec box echo in)" in
is "kill -s" "$(timeout 9 "$CAPAS" kill -s WINCH box)" box
for i in $(seq 20); do "$CAPAS" wait box >"$TMP/waited.$i" & done
# 200 at once that only wait cost nobody his answer.
python3 - "$CAPAS_ROOT" <<'P' &
import glob, os, socket, sys, time
os.chdir(os.path.dirname(glob.glob(sys.argv[1] + "/tops/*/attach")[0]))
waiting = []
for _ in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect("attach")
    waiting.append(s)
time.sleep(3)
P
idle=$!
sleep 1
is "kill -s with 300 idle ones" "$(timeout 9 "$CAPAS" kill -s WINCH box)" box
wait $idle
is stop "$(timeout 20 "$CAPAS" stop -t 1 box)" box
wait
is "those who were attached" "$(kinds "$TMP"/rc.*)" $'6 1\n64 137'
is "those who waited" "$(kinds "$TMP"/waited.*)" "20 137"

# ---- no descriptors are left for them ----
(ulimit -n 40; "$CAPAS" run -d --name poor small sleep 1000 >/dev/null)
for i in $(seq 60); do "$CAPAS" wait poor >"$TMP/waited.$i" & done
sleep 1
is "exec where descriptors are short" "$(timeout 9 "$CAPAS" exec poor echo in)" in
ticks() { awk '{print $14 + $15}' "/proc/$(monitor_of poor)/stat"; }
before=$(ticks)
sleep 1
[ $(($(ticks) - before)) -lt 30 ] || fail "the monitor does not rest"
is "kill" "$(timeout 20 "$CAPAS" kill poor)" poor
wait
is "60 who waited" "$(kinds "$TMP"/waited.*)" "60 137"
"$CAPAS" rm poor >/dev/null

# ---- a client that sleeps does not keep the end away for long ----
"$CAPAS" run --name slow small sh -c 'sleep 1; head -c 2000000 /dev/zero; head -c 100000 /dev/zero >&2; exit 5' >/dev/null 2>&1 &
client=$!
for _ in $(seq 100); do [ -z "$("$CAPAS" ps -q)" ] || break; sleep 0.05; done
kill -STOP $client
sleep 1.5
is "stop of what a sleeper holds up" "$(timeout 25 "$CAPAS" stop -t 1 slow)" slow
kill -CONT $client
rc=0 && wait $client || rc=$?
is "what it hears at last" "$rc" "$("$CAPAS" wait slow)"

# ---- input that ends ----
"$CAPAS" run -d -i --name cat small cat >/dev/null
is "attach to run -d -i" "$(printf 'one\ntwo' | timeout 9 "$CAPAS" attach cat)" $'one\ntwo'
is "how it ended" "$("$CAPAS" wait cat)" 0
is "logs" "$("$CAPAS" logs cat)" $'one\ntwo'

# ---- at once ----
for i in $(seq 8); do (timeout 20 "$CAPAS" start cat >"$TMP/start.$i" 2>&1) & done
wait
is "eight starts at once" "$(kinds "$TMP"/start.*)" "8 cat"
for i in $(seq 50); do
	(
		rc=0
		out=$("$CAPAS" exec cat sh -c "echo $i; exit $((i % 7))") || rc=$?
		[ "$out $rc" = "$i $((i % 7))" ] || echo "$i: $out $rc" >>"$TMP/bad"
	) &
done
wait
[ ! -e "$TMP/bad" ] || fail "50 execs at once: $(cat "$TMP/bad")"
grep -qhx 50 "$CAPAS_ROOT"/tops/*/execs || fail "50 execs are not counted"
for i in $(seq 40); do (timeout -s KILL "0.$((i % 9 + 1))" "$CAPAS" attach cat </dev/zero >/dev/null 2>&1 || :) & done 2>/dev/null
wait
is "after 40 that were killed" "$("$CAPAS" exec cat echo here)" here
is "rm -f" "$(timeout 20 "$CAPAS" rm -f box slow cat | wc -l)" 3
"$CAPAS" run -d --rm --name brief small sh -c 'sleep 1; echo end; exit 6' >/dev/null
for i in $(seq 10); do "$CAPAS" wait brief >"$TMP/waited.$i" & done
is "logs -f of what removes itself" "$(timeout 20 "$CAPAS" logs -f brief)" end
wait
is "wait for what removes itself" "$(kinds "$TMP"/waited.? "$TMP/waited.10")" "10 6"
is "what is left" "$(ls "$CAPAS_ROOT/tops" "$CAPAS_ROOT/tmp" | grep -v :)" ""
is "who is left" "$(ours)" ""
is fsck "$("$CAPAS" fsck)" clean
echo ok
