#!/bin/bash
# The sandbox's limits, networks and user namespaces.
set -eu
# In a mount namespace of its own, where nobody else mounts.
[ -n "${PRIVATE-}" ] || PRIVATE=1 exec unshare -m --propagation private bash "$0"
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-sandbox.sh"
fresh
GROUP=capas-test-$$
groups_left() {
	find /sys/fs/cgroup -type d -name "$GROUP" 2>/dev/null
}

# ---- limits ----
if "$MARK/run" -p 100 -g "$GROUP" "$R" true 2>"$TMP/err"; then
	# More processes than it may have; more memory; and the group goes each time.
	probe 0 "few" -p 8 -g "$GROUP" "$R" sh -c '(for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done) 2>/dev/null; echo few'
	probe 0 "can't fork" -p 4 -g "$GROUP" "$R" sh -c '(for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done); true'
	probe 137 "" -m 16777216 -g "$GROUP" "$R" sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; exit $?'
	probe 0 "" -m 268435456 -g "$GROUP" "$R" dd if=/dev/zero of=/dev/null bs=64M count=1
	probe 0 "50000" -c 500 -g "$GROUP" -x "cat /sys/fs/cgroup/cpu*/$GROUP/cpu.cfs_quota_us /sys/fs/cgroup/$GROUP/cpu.max 2>/dev/null; true" "$R" sleep 0.1
	# The program of exec is counted too.
	probe 0 "/$GROUP" -p 8 -g "$GROUP" -x 'cat /proc/$INIT/cgroup' -X true "$R" sleep 100
	probe 125 "a control group's name" -p 8 "$R" true
	probe 125 "a control group's name" -p 8 -g ../x "$R" true
	probe 0 "" -X true -p 8 -g "$GROUP" "$R" sleep 100
	[ -z "$(groups_left)" ] || fail "groups were left: $(groups_left)"
	# What a killed driver leaves is taken over.
	"$MARK/run" -p 8 -m 100000000 -g "$GROUP" "$R" sleep 98763.$$ </dev/null &
	driver=$!
	for _ in $(seq 100); do
		! pgrep -f "^sleep 98763.$$" >/dev/null || break
		sleep 0.05
	done
	kill -KILL $driver
	wait $driver 2>/dev/null || true
	[ -n "$(groups_left)" ] || fail "no group was left: the test is wrong"
	for _ in $(seq 100); do
		pgrep -f "^sleep 98763.$$" >/dev/null || break
		sleep 0.05
	done
	probe 0 "" -p 8 -m 100000000 -g "$GROUP" "$R" true
	[ -z "$(groups_left)" ] || fail "groups were left: $(groups_left)"
else
	grep -q "control group" "$TMP/err" || fail "limits: $(cat "$TMP/err")"
	echo "no limits on this machine: $(cat "$TMP/err")"
fi

# ---- networks ----
probe 0 "lo:" "$R" cat /proc/net/dev
probe 1 "" "$R" grep -v -e lo: -e '|' /proc/net/dev
probe 0 "$(grep -c : /proc/net/dev)" -n host "$R" grep -c : /proc/net/dev
if command -v slirp4netns >/dev/null; then
	probe 0 "tap0" -n private "$R" sh -c 'sed -n 2p /proc/net/route'
	probe 0 "nameserver 10.0.2.3
search example.org" -n private -d "nameserver 127.0.0.53
search example.org
" "$R" cat /etc/resolv.conf
	! pgrep -f "slirp4netns.*netns-type=path" >/dev/null || sleep 0.5
	mount --bind /dev/null "$(command -v slirp4netns)"
	remark
fi
if command -v pasta >/dev/null; then
	if ip route | grep -q '^default'; then
		probe 0 "00000000" -n private "$R" sh -c 'grep -w 00000000 /proc/net/route'
		probe 0 "nameserver 10.0.2.3" -n private -d "nameserver 127.0.0.53
" "$R" cat /etc/resolv.conf
		sleep 0.3
		! pgrep -f "pasta.*netns /proc/self/fd/3" >/dev/null || fail "pasta outlives the sandbox"
	fi
	mount --bind /dev/null "$(readlink -f "$(command -v pasta)")"
	remark
fi
probe 125 "needs slirp4netns or pasta" -n private "$R" true

# ---- user namespaces ----
unshare -Urm true 2>/dev/null || {
	echo "ok (no user namespaces)"
	exit 0
}
OWNER=$(id -u nobody)
DRIVER=(setpriv --reuid "$OWNER" --regid "$OWNER" --clear-groups)
OPTIONS=(-U)
for file in subuid subgid; do
	[ -e /etc/$file ] || skip "no /etc/$file to hide"
	: >"$TMP/$file"
	mount --bind "$TMP/$file" /etc/$file
done
remark
fresh
probe 0 "1 users, 1 groups" "$R" true
probe 0 "uid=0(root) gid=0(root)" "$R" id
probe 125 "become user 1000:1000" -u 1000:1000 "$R" id
probe 1 "Operation not permitted" "$R" mknod /n c 1 3
probe 1 "can't create" "$R" sh -c 'echo x >/proc/sys/kernel/hostname'
probe 0 "uid=0(root)" -X id "$R" sleep 100
probe 0 "/dev/pts/0" -t "$R" tty
probe 0 "sysfs on /sys" -n host "$R" sh -c "mount | grep ' /sys '"
for file in subuid subgid; do
	echo "nobody:200000:65536" >"$TMP/$file"
done
if command -v newuidmap >/dev/null; then
	probe 0 "65537 users, 65537 groups" "$R" true
	probe 0 "uid=1000(ana) gid=1000(ana) groups=50(staff),100(users),1000(ana)" -u ana "$R" id
	probe 0 "7:8" "$R" sh -c 'touch /q && chown 7:8 /q && stat -c %u:%g /q'
	[ "$(stat -c %u:%g "$R/q")" = 200006:200007 ] || fail "outside: $(stat -c %u:%g "$R/q")"
	probe 0 "uid=1000" -u 1000 -X id "$R" sleep 100
fi
echo "ok: $PROBES probes"
