#!/bin/bash
# Containers that runc or crun run: the same from outside, several at once, and nothing
# left when their monitor is killed.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small
is() { [ "$2" = "$3" ] || fail "$RT: $1: '$2', not '$3'"; }
mkdir "${TMP:?}/host"
known() { "$RT" list 2>/dev/null | grep -o 'capas-[0-9a-f]*' || true; }
groups() { find /sys/fs/cgroup -type d -name "capas-$1*" 2>/dev/null; }
mounts() { grep -c "${TMP:?}/store" /proc/self/mountinfo || true; }

life() {
	local id two rc
	echo host >"${TMP:?}/host/file"
	id=$("$CAPAS" run -d --name one --runtime "$RT" -v "$TMP/host:/host:ro" --tmpfs /t small sh -c 'echo out; echo err >&2; trap "exit 5" TERM; while :; do sleep 0.1; done')
	two=$("$CAPAS" run -d --name two --runtime "$RT" small sleep 1000) || fail "$RT: a second one at once"
	is "both run" "$("$CAPAS" ps --format '{{.Names}}' | sort | xargs)" "one two"
	is exec "$("$CAPAS" exec one sh -c 'id -u; cat /host/file; touch /host/x 2>/dev/null || echo ro; touch /t/y && echo t')" $'0\nhost\nro\nt'
	is "exec -i" "$(echo typed | "$CAPAS" exec -i one cat)" typed
	"$CAPAS" exec one sh -c 'echo data >/new'
	is diff "$("$CAPAS" diff one)" "A /new"
	echo local >"$TMP/local" && "$CAPAS" cp "$TMP/local" one:/copied && is cp "$("$CAPAS" exec one cat /copied)" local
	"$CAPAS" commit one "snap-$RT" >/dev/null || fail "$RT: commit while it runs"
	is commit "$("$CAPAS" run --rm "snap-$RT" cat /new)" data
	is logs "$("$CAPAS" logs one 2>/dev/null)" out
	"$CAPAS" top one -ww -f | grep -q 'trap .exit 5. TERM' || fail "$RT: top"
	"$CAPAS" stop one >/dev/null
	is "the status after stop" "$("$CAPAS" inspect -f '{{.State.ExitCode}}' one)" 5
	is "the other one runs on" "$("$CAPAS" exec two echo here)" here
	"$CAPAS" kill -s KILL two >/dev/null
	is "the status after kill" "$("$CAPAS" wait two)" 137
	"$CAPAS" rm one two >/dev/null
	is "what is known at the end" "$(known | grep -E "$id|$two" || true)" ""
	is "groups at the end" "$(groups "$id")$(groups "$two")" ""
}

options() {
	local rc
	is "-t" "$(python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$CAPAS" run --rm -it --runtime "$RT" small sh -c 'tty; stty size' | tr -d '\r' | head -1)" /dev/pts/0
	rc=0 && "$CAPAS" run --rm --runtime "$RT" small sh -c 'exit 7' || rc=$?
	is "the status" $rc 7
	is "-u -w -e" "$("$CAPAS" run --rm --runtime "$RT" -u user -w /made -e A=b small sh -c 'id -u; pwd; echo $A')" $'1000\n/made\nb'
	"$CAPAS" run --rm --runtime "$RT" --read-only --tmpfs /t small sh -c 'touch /t/x && ! touch /x 2>/dev/null' || fail "$RT: --read-only"
	is "--network none" "$("$CAPAS" run --rm --runtime "$RT" --network none small sh -c 'ls /sys/class/net')" lo
	is "--hostname" "$("$CAPAS" run --rm --runtime "$RT" -h here small hostname)" here
	refuses 125 "nosuch" "$CAPAS" run --rm --runtime "$RT" small nosuch
	refuses 125 "only as root, with --network host or none" "$CAPAS" run --rm --runtime "$RT" --network private small true
}

# What the host has at a volume is the host's, whatever ends whom.
killed() {
	local id monitor
	mkdir -p "${TMP:?}/host/deep/er" && echo mine >"${TMP:?}/host/deep/er/file"
	id=$("$CAPAS" run -d --name dead --runtime "$RT" -v "$TMP/host:/host" small sh -c 'trap "" TERM HUP INT; while :; do sleep 0.1; done')
	is "mounts of others to see" "$(mounts)" 0
	monitor=$(python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); print(s["Monitor"])' "$CAPAS_ROOT/tops/$id/state.json")
	kill -9 "$monitor"
	for _ in $(seq 100); do [ -n "$(known | grep "$id")" ] || [ -n "$(groups "$id")" ] || break; sleep 0.1; done
	is "what is known of a killed one" "$(known | grep "$id" || true)" ""
	is "groups of a killed one" "$(groups "$id")" ""
	is "the status of a killed one" "$("$CAPAS" inspect -f '{{.State.Status}} {{.State.ExitCode}}' dead)" "exited 137"
	"$CAPAS" start dead >/dev/null || fail "$RT: it does not start again"
	is "it starts again" "$("$CAPAS" exec dead cat /host/deep/er/file)" mine
	kill -9 "$(python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); print(s["Monitor"])' "$CAPAS_ROOT/tops/$id/state.json")"
	"$CAPAS" rm -f dead >/dev/null || fail "$RT: rm of a killed one"
	[ "$(cat "$TMP/host/deep/er/file")" = mine ] || fail "$RT: rm removed what is the host's"
}

for RT in runc crun; do
	command -v "$RT" >/dev/null || continue
	life
	options
	killed
done
[ -n "${id-x}" ] || skip "neither runc nor crun"

# A mount in a container's folder is nobody's to remove.
RT=none
id=$("$CAPAS" create --name mounted small)
mkdir -p "$CAPAS_ROOT/tops/$id/data/there" && mount --bind "$TMP/host" "$CAPAS_ROOT/tops/$id/data/there"
"$CAPAS" rm mounted >/dev/null 2>&1 || true
[ "$(cat "$TMP/host/deep/er/file")" = mine ] || fail "a removal went into a mount"
