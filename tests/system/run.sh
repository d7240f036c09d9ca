#!/bin/bash
# capas run: what it is told, what it prints, how it ends; nothing is left behind.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small -c 'ENV A=b' -c 'ENV PATH=/bin'
run() { "$CAPAS" run --rm "$@"; }

# ---- output, input, status ----
is "CMD at run time" "$(run small echo "hola en tiempo real")" "hola en tiempo real"
is "options end at the image" "$(run small echo -i --rm -t)" "-i --rm -t"
is "stderr" "$(run small sh -c 'echo err >&2' 2>&1 >/dev/null)" err
is "stdin" "$(echo typed | run -i small cat)" typed
is "no stdin without -i" "$(echo typed | run small cat)" ""
head -c 3000000 /dev/urandom >"$TMP/bytes"
run -i small cat <"$TMP/bytes" | cmp - "$TMP/bytes" || fail "bytes through a pipe"
timeout 20 "$CAPAS" run --rm small yes | head -1 | grep -qx y || fail "a reader that goes"
for n in 0 1 42 255; do
	rc=0
	run small sh -c "exit $n" || rc=$?
	is status $rc $n
done
rc=0
run small sh -c 'kill -SEGV $$' || rc=$?
is "the status of a signal" $rc 139
# A signal for run goes to the program.
"$CAPAS" run --rm small sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done' >"$TMP/out" &
runner=$!
for _ in $(seq 100); do ! grep -q ready "$TMP/out" || break; sleep 0.05; done
kill -TERM $runner
rc=0
wait $runner || rc=$?
is "SIGTERM for run" $rc 9
# Even while nobody reads what it writes.
mkfifo "$TMP/fifo"
"$CAPAS" run --name stuck small yes >"$TMP/fifo" &
runner=$!
exec 5<"$TMP/fifo"
sleep 1
kill -TERM $runner
for _ in $(seq 50); do [ -n "$("$CAPAS" ps -q)" ] || break; sleep 0.1; done
is "SIGTERM for run that is stuck" "$("$CAPAS" ps -q)" ""
exec 5<&-
wait $runner || true
"$CAPAS" rm stuck >/dev/null
# One that went while the program did not want its input costs nothing.
yes | "$CAPAS" run -i --name idle small sleep 100 >/dev/null 2>&1 &
runner=$!
for _ in $(seq 100); do [ -z "$("$CAPAS" ps -q)" ] || break; sleep 0.05; done
sleep 0.5
kill -KILL $runner
python3 - <<'P' || fail "input that nobody reads"
import json, glob, os, sys, time
state, = glob.glob(os.environ["CAPAS_ROOT"] + "/tops/*/state.json")
monitor = json.load(open(state))["Monitor"]
def ticks():
    return sum(map(int, open("/proc/%d/stat" % monitor).read().rsplit(")", 1)[1].split()[11:13]))
time.sleep(0.3)
before = ticks()
time.sleep(1)
sys.exit("the monitor does not rest" if ticks() - before > 30 else 0)
P
"$CAPAS" rm -f idle >/dev/null
# The end is heard though the input was not taken.
for _ in $(seq 20); do
	yes | "$CAPAS" run --rm -i small true 2>>"$TMP/lost" || fail "input for what ends at once"
done
is "the end behind an input" "$(cat "$TMP/lost")" ""
# Nothing of the input waits for ever, however it came: much at once, in small frames.
python3 - "$CAPAS" <<'P' || fail "input in small frames"
import glob, json, os, signal, subprocess, sys, time
run = subprocess.Popen([sys.argv[1], "run", "-i", "--name", "late", "small", "sh", "-c", "sleep 2; wc -c"],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
time.sleep(0.7)
state, = glob.glob(os.environ["CAPAS_ROOT"] + "/tops/*/state.json")
monitor = json.load(open(state))["Monitor"]
for _ in range(30):
    os.write(run.stdin.fileno(), bytes(10000))
time.sleep(0.3)
os.kill(monitor, signal.SIGSTOP)
for _ in range(40):
    os.write(run.stdin.fileno(), bytes(1000))
    time.sleep(0.005)
run.stdin.close()
time.sleep(0.2)
os.kill(monitor, signal.SIGCONT)
try:
    run.wait(timeout=10)
except subprocess.TimeoutExpired:
    run.kill()
    sys.exit("it waits")
told = run.stdout.read().split()
sys.exit(0 if told == [b"340000"] else told)
P
"$CAPAS" rm -f late >/dev/null
# Somebody may have made our output nonblocking.
python3 - "$CAPAS" <<'P' || fail "an output that is nonblocking"
import os, subprocess, sys, time
ours, theirs = os.pipe()
os.set_blocking(theirs, False)
run = subprocess.Popen([sys.argv[1], "run", "--rm", "small", "head", "-c", "3000000", "/dev/zero"], stdout=theirs)
os.close(theirs)
time.sleep(0.5)
with open(ours, "rb") as f:
    got = len(f.read())
sys.exit(0 if got == 3000000 and run.wait() == 0 else "%d bytes" % got)
P
# Output that cannot be written is told, and is no success.
refuses 1 "what the container writes is lost: No space left on device" sh -c '"$0" run --rm small echo lost >/dev/full' "$CAPAS"
rc=0
"$CAPAS" run --rm small sh -c 'echo lost; exit 7' >/dev/full 2>"$TMP/err" || rc=$?
is "the status of a failure that is not shown" $rc 7
# What a reader is behind is not kept for ever.
"$CAPAS" run --name slow small sh -c 'head -c 80000000 /dev/zero; sleep 100' | python3 -c '
import json, glob, os, subprocess, sys, time
def peak():
    state, = glob.glob(os.environ["CAPAS_ROOT"] + "/tops/*/state.json")
    with open("/proc/%d/status" % json.load(open(state))["Monitor"]) as f:
        return int([line.split()[1] for line in f if line.startswith("VmHWM")][0])
os.read(0, 1)
before, got = peak(), 1
while got < 80000000:
    got += len(os.read(0, 65536))
    time.sleep(0.0005)
more = peak() - before
# Else the client waits for the end of the sleep.
subprocess.run([os.environ["CAPAS"], "rm", "-f", "slow"], stdout=subprocess.DEVNULL, check=True)
sys.exit(0 if more < 16384 else "the monitor has grown by %d KiB" % more)' || fail "a slow reader"

# ---- what the program sees ----
is "PID 1 and 2" "$(run small sh -c 'echo $$')" 2
is -e "$(X=y run -e C=d -e X -e NOTHING -e A=z small sh -c 'echo $A $C $X ${NOTHING-none}')" "z d y none"
printf '# a comment\n\nF=from file\nX\n' >"$TMP/envs"
is --env-file "$(X=y run --env-file "$TMP/envs" -e F2=x small sh -c 'echo $F $X $F2')" "from file y x"
is "the image's PATH" "$(run small sh -c 'echo $PATH')" /bin
is HOME "$(run -u user small sh -c 'echo $HOME')" /home/user
is -u "$(run -u user small sh -c 'echo $(id -u) $(id -g) $(id -G)')" "1000 1000 1000 50"
is "/dev/stdout for a user" "$(run -u user small sh -c 'echo out >/dev/stdout; echo err >/dev/stderr' 2>&1)" $'out\nerr'
is -w "$(run -w /made/here small sh -c 'pwd; [ -d /made/here ] && echo made')" $'/made/here\nmade'
is --hostname "$(run --hostname box small hostname)" box
is "the hostname is the ID" "$(run --name named small sh -c 'hostname | wc -c')" 13
is --entrypoint "$(run --entrypoint echo small a b)" "a b"
is "the network" "$(run --network none small ip -o link | wc -l)" 1
is "a program without CMD" "$(echo 'echo from a shell' | run -i small)" "from a shell"
rc=0
run --read-only --tmpfs /scratch small sh -c 'echo x >/scratch/x && ! echo x >/x' 2>/dev/null || rc=$?
is "--read-only, --tmpfs" $rc 0
echo host >"$TMP/file"
mkdir "$TMP/vol"
is -v "$(run -v "$TMP/vol:/v" -v "$TMP/file:/f:ro" small sh -c 'echo in >/v/x; cat /f; echo y 2>/dev/null >/f || echo ro')" $'host\nro'
is "a volume is the host's" "$(cat "$TMP/vol/x")" in
run -v "$TMP/not/there:/v" small touch /v/x && [ -e "$TMP/not/there/x" ] || fail "a folder of the host that was missing"
run -v data:/d small sh -c 'echo kept >/d/x' && is "a named volume" "$(run -v data:/d small cat /d/x)" kept
is "a volume that is missing in the image" "$(cd "$TMP" && run -v ./vol:/new/place small cat /new/place/x)" in
is "descriptors of the caller" "$(exec 7<"$TMP/file"; run small sh -c 'ls /proc/self/fd | wc -l')" 4
is -l "$(run -d --name labelled -l a=b -l c small sleep 100 >/dev/null; "$CAPAS" ps --filter label=a=b --filter label=c -q | wc -l)" 1
"$CAPAS" rm -f labelled >/dev/null

# ---- limits ----
if run --memory 64m --pids-limit 20 --cpus 0.5 small true 2>"$TMP/err"; then
	rc=0
	run --memory 32m small sh -c 'head -c 200m /dev/zero | tail' >/dev/null 2>&1 || rc=$?
	[ $rc != 0 ] || fail "--memory does not limit"
	run --pids-limit 5 small sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done' 2>&1 | grep -q "fork" || fail "--pids-limit does not limit"
else
	grep -q group "$TMP/err" || fail "no limits, and no clear word: $(cat "$TMP/err")"
fi

# ---- an OCI runtime ----
if command -v runc >/dev/null; then
	rc=0
	out=$(run --runtime runc small sh -c "echo by runc; exit 4") || rc=$?
	is --runtime "$out $rc" "by runc 4"
fi

# ---- bad input ----
refuses 125 "did you mean 'small" "$CAPAS" run smal true
refuses 125 "unknown option '--nam'" "$CAPAS" run --nam x small true
refuses 125 "wants IMAGE" "$CAPAS" run -i
refuses 127 'exec: "nosuch": executable file not found in $PATH' "$CAPAS" run --rm small nosuch
refuses 127 "o such file" "$CAPAS" run --rm small /no/such
refuses 126 "ermission denied" "$CAPAS" run --rm small /etc/passwd
refuses 125 "nobody-here" "$CAPAS" run --rm -u nobody-here small true
refuses 125 "is no name of a container" "$CAPAS" run --name '-bad' small true
refuses 125 "invalid volume" "$CAPAS" run -v x small true
refuses 125 "invalid volume" "$CAPAS" run -v :/x small true
refuses 125 "no absolute path" "$CAPAS" run -v /x:y small true
refuses 125 "invalid characters for a local volume name" "$CAPAS" run -v a/b:/y small true
refuses 125 "invalid mode" "$CAPAS" run -v /x:/y:rx small true
refuses 125 "network 'moon' not found" "$CAPAS" run --network moon small true
refuses 125 "invalid size" "$CAPAS" run -m lots small true
refuses 125 "Minimum memory limit" "$CAPAS" run -m 1k small true
refuses 125 "invalid signal" "$CAPAS" run --stop-signal NOPE small true
refuses 125 "invalid hostname: 'x\\n1.2.3.4 bank'" "$CAPAS" run --hostname $'x\n1.2.3.4 bank' small true
refuses 125 "invalid hostname" "$CAPAS" run --hostname "$(printf 'x%.0s' $(seq 64))" small true
refuses 125 "needs to be an absolute path" "$CAPAS" run -w x small true
refuses 125 "must be absolute" "$CAPAS" run --tmpfs x small true
refuses 125 "no-such-file" "$CAPAS" run --env-file /no-such-file small true
refuses 1 "the input device is not a TTY" "$CAPAS" run -it small true </dev/null
[ -z "$("$CAPAS" ps -aq)" ] || fail "half containers are left: $("$CAPAS" ps -a)"
# As with docker, a container whose program cannot run stays without --rm, to be looked at.
refuses 127 nosuch "$CAPAS" run --name tried small nosuch
"$CAPAS" inspect tried | grep -q '"ExitCode": 127' || fail "why it did not run is not kept"
"$CAPAS" rm tried >/dev/null
[ -z "$(ls "$CAPAS_ROOT/tmp")" ] || fail "tmp/ is not empty: $(ls "$CAPAS_ROOT/tmp")"

# ---- eight at once ----
for i in $(seq 8); do
	(for k in 1 2 3; do [ "$(run small sh -c "echo $i.$k >/x; cat /x")" = "$i.$k" ] || echo bad >"$TMP/bad"; done) &
done
wait
[ ! -e "$TMP/bad" ] || fail "eight runs at once"
[ -z "$("$CAPAS" ps -aq)" ] || fail "containers are left after eight runs"
[ "$("$CAPAS" fsck)" = clean ] || fail fsck

# ---- many in a row leave nothing ----
left() { # mounts, processes, files
	# Of this test alone: others may be at work on the machine.
	grep -c "${TMP:?}" /proc/self/mountinfo || true
	ours | wc -l
	find "$CAPAS_ROOT" -path '*/volumes' -prune -o -print | wc -l
}
limits=
run --memory 64m small true 2>/dev/null && limits="--memory 64m"
left >"$TMP/before"
for i in $(seq "${RUNS:-150}"); do
	if [ $((i % 10)) = 0 ]; then
		run $limits small hostname >>"$TMP/ids" || fail "a run of many"
	else
		run small true || fail "a run of many"
	fi
done
left >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "runs leave something: $(paste "$TMP/before" "$TMP/after")"
# A control group has the name of its container, which is the hostname in it.
find /sys/fs/cgroup -type d -name 'capas-*' 2>/dev/null >"$TMP/groups" || true
! grep -F -f "$TMP/ids" "$TMP/groups" || fail "control groups are left"
is "how many could have left one" "$(wc -l <"$TMP/ids")" $((${RUNS:-150} / 10))
# Nor do many visitors of one that goes on.
"$CAPAS" run -d --name visited $limits small sleep 1000 >/dev/null
held() { # descriptors, threads, mounts, processes
	local monitor
	monitor=$(monitor_of visited)
	ls "/proc/$monitor/fd" | wc -l
	ls "/proc/$monitor/task" | wc -l
	grep -c "${TMP:?}" "/proc/$monitor/mountinfo" || true
	"$CAPAS" exec visited sh -c 'ps | grep -c "[s]leep"; ls /proc/1/root 2>/dev/null | wc -l'
	find /sys/fs/cgroup -type d -name "capas-$("$CAPAS" ps -q --no-trunc --filter name=visited)*" 2>/dev/null | wc -l
}
visit() {
	"$CAPAS" exec visited true
	"$CAPAS" kill -s CONT visited >/dev/null
	"$CAPAS" diff visited >/dev/null
	timeout -s KILL 0.2 "$CAPAS" attach --no-stdin visited 2>/dev/null || true
}
visit
held >"$TMP/before"
for _ in $(seq 12); do visit; done
sleep 0.2
held >"$TMP/after"
cmp "$TMP/before" "$TMP/after" || fail "visitors leave something: $(paste "$TMP/before" "$TMP/after")"
"$CAPAS" rm -f visited >/dev/null
echo ok
