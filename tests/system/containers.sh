#!/bin/bash
# What is done to containers: exec, logs, stop, kill, wait, rename, rm, inspect, cp,
# commit, diff, export, mark; while they run and after.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small -c 'ENV A=b' -c 'CMD ["sleep", "1000"]' -c 'LABEL x=y'
ps_of() { "$CAPAS" ps -a --filter "name=$1" | sed -n 2p; }

# ---- running ----
id=$("$CAPAS" run -d --name work small)
[[ $id =~ ^[0-9a-f]{64}$ ]] || fail "run -d printed '$id'"
is "ps -q" "$("$CAPAS" ps -q)" "${id:0:12}"
ps_of work | grep -q "^${id:0:12}   small     \"sleep 1000\"   .* Up .* work$" || fail "ps: $(ps_of work)"
is exec "$("$CAPAS" exec work sh -c 'echo $A; echo written >/file; mkdir /dir; echo x >/dir/x; ln -s /etc /dir/etc; echo $((1+1))')" $'b\n2'
rc=0 && "$CAPAS" exec work sh -c 'exit 7' || rc=$?
is "the status of exec" $rc 7
rc=0 && "$CAPAS" exec work sh -c 'kill -9 $$' || rc=$?
is "the status of a killed exec" $rc 137
refuses 127 'exec: "nosuch": executable file not found in $PATH' "$CAPAS" exec work nosuch
refuses 126 'ermission denied' "$CAPAS" exec work /etc/passwd
refuses 1 "no such container" "$CAPAS" exec nobody true
is "exec -i" "$(echo typed | "$CAPAS" exec -i work cat)" typed
is "exec without -i" "$(echo typed | "$CAPAS" exec work cat)" ""
is "exec -u -w -e" "$("$CAPAS" exec -u user -w /tmp -e C=d work sh -c 'id -u; pwd; echo $C')" $'1000\n/tmp\nd'
# What it leaves behind must not read the keys of our terminal: it never has that.
out=$(python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$CAPAS" exec -i work sh -c 'for i in 0 1 2; do readlink /proc/$$/fd/$i; done' </dev/null)
is "the descriptors of exec" "$(grep -c '^pipe:' <<<"$out")" 3
head -c 3000000 /dev/urandom >"$TMP/bytes"
"$CAPAS" exec -i work cat <"$TMP/bytes" | cmp - "$TMP/bytes" || fail "bytes through exec -i"
timeout 20 "$CAPAS" exec work yes | head -1 | grep -qx y || fail "a reader of exec that goes"
rc=0 && yes | timeout 20 "$CAPAS" exec -i work sh -c 'exit 4' || rc=$?
is "exec -i of what reads nothing" $rc 4
rc=0 && timeout 20 "$CAPAS" exec work sh -c 'yes & exit 6' >/dev/null || rc=$?
is "exec of what leaves a writer behind" $rc 6
refuses 1 "what the program writes is lost: No space left on device" sh -c '"$0" exec work echo lost >/dev/full' "$CAPAS"
is "exec -u and /dev/stdout" "$("$CAPAS" exec -u user work sh -c 'echo out >/dev/stdout')" out
is "exec -w, whatever the umask" "$(umask 077 && "$CAPAS" exec -w /made/here work stat -c %a .)" 755
"$CAPAS" exec -d work sh -c 'sleep 0.3; echo late >/late'
for _ in $(seq 50); do [ "$("$CAPAS" exec work cat /late 2>/dev/null)" != late ] || break; sleep 0.1; done
is "exec -d" "$("$CAPAS" exec work cat /late)" late
"$CAPAS" top work | grep -q 'sleep 1000' || fail "top: $("$CAPAS" top work)"
"$CAPAS" inspect work | python3 -c '
import json, sys
c = json.load(sys.stdin)[0]
assert c["Name"] == "/work" and c["State"]["Running"] and c["State"]["Pid"] > 0, c
assert c["Config"]["Env"] == ["A=b"] and c["Config"]["Labels"] == {"x": "y"}, c
assert c["Path"] == "sleep" and c["Args"] == ["1000"] and c["HostConfig"]["NetworkMode"] == "host", c
' || fail "inspect of a running one"
"$CAPAS" diff work | grep -qx 'A /file' || fail "diff while it runs: $("$CAPAS" diff work)"
"$CAPAS" commit -c 'ENV Z=z' work snap:1 >/dev/null || fail "commit while it runs"
is "the committed image" "$("$CAPAS" run --rm snap:1 sh -c 'cat /file; echo $A$Z')" $'written\nbz'
"$CAPAS" inspect snap:1 | grep -q '"sleep"' || fail "the container's CMD is not the image's"
"$CAPAS" export work | tar -tf - | grep -qE '^(./)?dir/x$' || fail "export while it runs"
refuses 1 "is using its referenced image" "$CAPAS" rmi small
refuses 1 "running: stop the container" "$CAPAS" rm work

# ---- cp while it runs ----
echo local >"$TMP/local"
"$CAPAS" cp "$TMP/local" work:/copied || fail "cp into"
is "cp into" "$("$CAPAS" exec work cat /copied)" local
"$CAPAS" cp work:/file "$TMP/out" && is "cp out of" "$(cat "$TMP/out")" written
mkdir -p "$TMP/tree/sub" && echo deep >"$TMP/tree/sub/f" && ln "$TMP/tree/sub/f" "$TMP/tree/sub/g" && ln -s f "$TMP/tree/sub/l"
"$CAPAS" cp "$TMP/tree" work:/tmp || fail "cp of a folder into a folder"
is "cp of a folder" "$("$CAPAS" exec work sh -c 'cat /tmp/tree/sub/f; stat -c %h /tmp/tree/sub/g; readlink /tmp/tree/sub/l')" $'deep\n2\nf'
"$CAPAS" cp "$TMP/tree/." work:/newdir || fail "cp of a content"
is "cp of a content" "$("$CAPAS" exec work cat /newdir/sub/f)" deep
# A link in the container leads nowhere but into it.
mkdir "$TMP/marker"
"$CAPAS" exec work ln -s "$TMP/marker" /escape
"$CAPAS" cp "$TMP/local" work:/escape/x 2>/dev/null && fail "cp through a link out of the root"
[ -z "$(ls "$TMP/marker")" ] || fail "cp left the root"
"$CAPAS" cp work:/dir/etc/passwd "$TMP/out" && grep -q '^user:' "$TMP/out" || fail "a link inside the root"
"$CAPAS" cp work:/dir - | tar -tf - | grep -qx 'dir/x' || fail "cp to -"
tar -C "$TMP/tree" -cf - sub | "$CAPAS" cp - work:/tmp || fail "cp from -"
is "cp from -" "$("$CAPAS" exec work cat /tmp/sub/f)" deep
refuses 1 "no such file" "$CAPAS" cp work:/nothing "$TMP/out"
refuses 1 "no such" "$CAPAS" cp nobody:/x "$TMP/out"

# ---- the end ----
is stop "$("$CAPAS" stop -t 5 work)" work
ps_of work | grep -q 'Exited (143)' || fail "ps after stop: $(ps_of work)"
is "wait for what has ended" "$("$CAPAS" wait work)" 143
refuses 1 "is not running" "$CAPAS" exec work true
refuses 1 "is not running" "$CAPAS" kill work
is "stop again" "$("$CAPAS" stop work)" work
"$CAPAS" diff work | grep -qx 'A /late' || fail "diff after the end"
"$CAPAS" cp work:/file "$TMP/out2" && is "cp out of a stopped one" "$(cat "$TMP/out2")" written
"$CAPAS" cp "$TMP/tree" work:/stopped || fail "cp into a stopped one"
is "cp out again" "$("$CAPAS" cp work:/stopped - | tar -xOf - stopped/sub/f)" deep
# Time travel: before the first exec there was no file; at the exit there was.
"$CAPAS" mount --ro --top work --at exec-1 small "$MNT" || fail "mount --at exec-1"
[ ! -e "$MNT/file" ] || fail "the mark exec-1 is too late"
"$CAPAS" umount "$MNT"
"$CAPAS" mount --ro --top work --at exit-1 small "$MNT" || fail "mount --at exit-1"
[ -e "$MNT/file" ] && [ ! -e "$MNT/stopped" ] || fail "the mark exit-1 is another moment"
"$CAPAS" umount "$MNT"
"$CAPAS" commit work snap:2 >/dev/null || fail "commit of a stopped one"
is "what was copied in" "$("$CAPAS" run --rm snap:2 cat /stopped/sub/f)" deep

# ---- again ----
is start "$("$CAPAS" start work)" work
is "what it wrote" "$("$CAPAS" exec work cat /file)" written
"$CAPAS" wait work >"$TMP/waited" &
waiter=$!
sleep 0.2
is kill "$("$CAPAS" kill work)" work
wait $waiter && is wait "$(cat "$TMP/waited")" 137
"$CAPAS" rename work better && ps_of better | grep -q 'better$' || fail rename
refuses 125 "in use" "$CAPAS" run --name better small true
refuses 1 "no such container" "$CAPAS" rename work x
refuses 1 "is no name" "$CAPAS" rename better -- -x
is rm "$("$CAPAS" rm better)" better
refuses 1 "no such container" "$CAPAS" rm better

# ---- logs ----
"$CAPAS" run --name talk small sh -c 'echo one; echo two; echo three >&2; printf four' >/dev/null 2>&1
is logs "$("$CAPAS" logs talk 2>/dev/null)" $'one\ntwo\nfour'
is "logs, stderr" "$("$CAPAS" logs talk 2>&1 >/dev/null)" three
"$CAPAS" logs -t talk 2>/dev/null | grep -qE '^20[0-9-]+T[0-9:.]+Z one$' || fail "logs -t"
"$CAPAS" run -d --name tick small sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done' >/dev/null
is "logs -f" "$(timeout 20 "$CAPAS" logs -f tick)" $'1\n2\n3'
is "logs --tail" "$("$CAPAS" logs --tail 2 tick)" $'2\n3'
head -c 300000 /dev/urandom >"$TMP/bytes"
"$CAPAS" run -i --name raw small cat <"$TMP/bytes" | cmp - "$TMP/bytes" || fail "bytes through run -i"
"$CAPAS" logs raw | cmp - "$TMP/bytes" || fail "bytes in the log"

# ---- create and start ----
id=$("$CAPAS" create --name later small sh -c 'echo begun; exit 3')
ps_of later | grep -q Created || fail "create: $(ps_of later)"
[ -z "$("$CAPAS" diff later)" ] || fail "diff of one that was only created"
"$CAPAS" cp later:/etc/passwd "$TMP/out" && "$CAPAS" commit later later:1 >/dev/null || fail "cp and commit of one that was only created"
"$CAPAS" mount --ro --top later small "$MNT" && "$CAPAS" umount "$MNT" || fail "mount of one that was only created"
rc=0 && out=$("$CAPAS" start -a later) || rc=$?
is "start -a" "$out $rc" "begun 3"
# A stop signal that the program takes as it likes.
"$CAPAS" run -d --name trap --stop-signal USR1 small sh -c 'trap "echo bye; exit 5" USR1; while :; do sleep 0.1; done' >/dev/null
sleep 0.3
"$CAPAS" stop trap >/dev/null
is "the stop signal" "$("$CAPAS" logs trap) $("$CAPAS" wait trap)" "bye 5"
# One that does not listen is killed.
"$CAPAS" run -d --name deaf small sh -c 'trap "" TERM; while :; do sleep 0.1; done' >/dev/null
sleep 0.3
"$CAPAS" stop -t 1 deaf >/dev/null
is "one that does not listen" "$("$CAPAS" wait deaf)" 137
"$CAPAS" run -d --name victim small >/dev/null
is "rm -f" "$("$CAPAS" rm -f victim)" victim
id=$("$CAPAS" run -d --name victim small)
rm "$CAPAS_ROOT/tops/$id/attach"
is "rm -f without a socket" "$(timeout 20 "$CAPAS" rm -f victim)" victim
"$CAPAS" rm $("$CAPAS" ps -aq) >/dev/null || fail "rm of all"
[ -z "$("$CAPAS" ps -aq)" ] || fail "containers are left"
[ -z "$(ls "$CAPAS_ROOT/tops")" ] || fail "folders are left"
is fsck "$("$CAPAS" fsck)" clean
echo ok
