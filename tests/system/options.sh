#!/bin/bash
# What docker users put on run: added, or refused with a reason.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small
run() { "$CAPAS" run --rm "$@"; }
caps() { sed -n 's/^CapEff:\t0*//p'; }

# ---- capabilities ----
is "docker's capabilities" "$(run small grep Cap /proc/self/status | caps)" a80425fb
is "none" "$(run --cap-drop ALL small grep Cap /proc/self/status | caps)" ""
is "all but some" "$(run --cap-drop all --cap-add CHOWN --cap-add CAP_KILL small grep Cap /proc/self/status | caps)" 21
is "one less" "$(run --cap-drop NET_RAW small grep Cap /proc/self/status | caps)" a80405fb
is "one more" "$(run --cap-add net_admin small grep Cap /proc/self/status | caps)" a80435fb
run --cap-drop CHOWN small sh -c '! chown 1:1 /tmp 2>/dev/null' || fail "chown without CHOWN"
refuses 125 "invalid capability: 'FLY'" run --cap-add FLY small true
refuses 125 "capability 'SYS_ADMIN' cannot be added" run --cap-add SYS_ADMIN small true
refuses 125 "capability 'ALL' cannot be added" run --cap-add ALL small true

# ---- limits ----
is ulimit "$(run --ulimit nofile=99:150 --ulimit nofile=100:200 --ulimit core=0 small sh -c 'ulimit -n; ulimit -Hn; ulimit -c')" $'100\n200\n0'
refuses 125 "invalid ulimit" run --ulimit nofiles=1 small true
refuses 125 "above the hard one" run --ulimit nofile=2:1 small true
is shm "$(run --shm-size 1m small df -k /dev/shm | awk 'END {print $2}')" 1024
is "shm as usual" "$(run small df -k /dev/shm | awk 'END {print $2}')" 65536

# ---- users, hosts ----
is groups "$(run -u user --group-add staff --group-add 77 small id -G)" "1000 50 77"
refuses 125 "unable to find group nosuch" run --group-add nosuch small true
run --add-host a.b:192.0.2.1 --add-host "six:[2001:db8::1]" small sh -c 'grep -q "^192.0.2.1.a\.b$" /etc/hosts && grep -q "^2001:db8::1.six$" /etc/hosts' || fail "--add-host"
refuses 125 "bad format for add-host" run --add-host nothing small true

# ---- mounts ----
mkdir "${TMP:?}/host" && echo host >"${TMP:?}/host/file"
is bind "$(run --mount type=bind,source="$TMP/host",target=/m,readonly small sh -c 'cat /m/file; touch /m/x 2>/dev/null || echo ro')" $'host\nro'
is tmpfs "$(run --mount type=tmpfs,dst=/t,tmpfs-size=1048576,tmpfs-mode=700 small sh -c 'stat -c %a /t; df -k /t | awk "END {print \$2}"')" $'700\n1024'
run --mount source=vol,target=/v small sh -c 'echo kept >/v/x' && is volume "$(run -v vol:/w small cat /w/x)" kept
refuses 125 "bind source path does not exist" run --mount type=bind,src=/no/such,dst=/m small true
refuses 125 "'size' is not known" run --mount type=tmpfs,dst=/t,size=1 small true
refuses 125 "the target is no absolute path" run --mount type=tmpfs small true
# Neither a path of the host by the way of a name, nor writable by a slip.
for name in . ../out /etc; do
	refuses 125 "the source of a volume is a name" run --mount type=volume,src=$name,target=/v small true
done
[ ! -e "$TMP/../out" ] || fail "a volume's name made a folder of the host"
refuses 125 "'readonly' is not known" run --mount type=bind,source="$TMP/host",target=/m,readonly=yes small true
is "readonly=True" "$(run --mount type=bind,source="$TMP/host",target=/m,readonly=True small sh -c 'touch /m/x 2>/dev/null || echo ro')" ro

# ---- files, the end ----
id=$("$CAPAS" run -d --name cc --cidfile "$TMP/cid" --stop-timeout 1 --init --cap-drop ALL --ulimit nofile=50 --group-add 5 small sh -c 'trap "" TERM; while :; do sleep 1; done')
is cidfile "$(cat "$TMP/cid")" "$id"
refuses 125 "container ID file found" run --cidfile "$TMP/cid" small true
is "exec has them too" "$("$CAPAS" exec cc sh -c 'ulimit -n; grep CapEff /proc/self/status; id -G')" $'50\nCapEff:\t0000000000000000\n0 5'
begin=$SECONDS
"$CAPAS" stop cc >/dev/null
[ $((SECONDS - begin)) -lt 8 ] || fail "--stop-timeout: $((SECONDS - begin)) s"
is "what it was told" "$("$CAPAS" inspect -f '{{.Config.StopTimeout}} {{json .HostConfig.CapDrop}} {{json .HostConfig.Ulimits}}' cc)" '1 ["ALL"] ["nofile=50"]'
printf '# comment\nA=b c\nHOME\n\n  B=2\n' >"$TMP/env"
is "--env-file" "$(HOME=/there run --env-file "$TMP/env" -e B=3 small sh -c 'echo $A/$HOME/$B')" "b c//there/3"
printf '\357\273\277A=1\r\n' >"$TMP/env" && is "a file of Windows" "$(run --env-file "$TMP/env" small sh -c 'echo $A')" 1
printf 'A = 1\n' >"$TMP/env" && refuses 125 "has no blanks" run --env-file "$TMP/env" small true
printf 'A=1\0B=2\n' >"$TMP/env" && refuses 125 "is no text" run --env-file "$TMP/env" small true

# ---- refused, with a reason ----
refuses 125 "ports are not published" run -p 8080:80 small true
refuses 125 "ports are not published" run -p8080:80 small true
refuses 125 "ports are not published" run --publish=8080:80 small true
refuses 125 "--privileged: " run --privileged small true
refuses 125 "nothing watches over containers" run --restart always small true
refuses 125 "there is no emulation" run --platform linux/arm64 small true
refuses 125 "only images of the store" run --pull always small true
refuses 125 "no device of the host" run --device /dev/fuse small true
refuses 125 "the keys are always ctrl-p ctrl-q" run --detach-keys a small true
refuses 2 "ports are not published" "$CAPAS" create -p 80:80 small

# ---- the same through a runtime ----
command -v runc >/dev/null || exit 0
is "runc: capabilities" "$(run --runtime runc --cap-drop ALL --cap-add KILL small grep Cap /proc/self/status | caps)" 20
is "runc: the rest" "$(run --runtime runc --ulimit nofile=100:200 --shm-size 1m --group-add 77 small sh -c 'ulimit -n; ulimit -Hn; id -G; df -k /dev/shm | awk "END {print \$2}"')" $'100\n200\n0 77\n1024'
