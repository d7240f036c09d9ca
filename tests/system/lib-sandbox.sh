# For the tests of the sandbox, after lib.sh: a root of busybox that each probe spoils
# anew, and a folder of the machine's that no probe may change.
need unshare busybox setpriv
[ "$(id -u)" = 0 ] || skip "not root"
unshare -mpinf true 2>/dev/null || skip "no namespaces"
fast_tmp 512m
chmod 0755 "${TMP:?}"

# The driver is run from the marked folder: it is of the machine's too.
MARK=$TMP/mark
R=$TMP/r
mkdir -p "${MARK:?}/sub" "${R:?}"
cp "$TOOLS/sandbox-run" "${MARK:?}/run"
printf 'evil:x:0:0::/:/bin/sh\n' >"${MARK:?}/passwd"
for name in resolv.conf hosts file sub/file; do
	echo "of the machine" >"${MARK:?}/$name"
done

mkdir -p "${TMP:?}/base/bin" "${TMP:?}/base/etc" "${TMP:?}/base/tmp"
chmod 1777 "${TMP:?}/base/tmp"
cp "$(command -v busybox)" "${TMP:?}/base/bin/busybox"
cp "$TOOLS/sandbox-probe" "${TMP:?}/base/bin/probe"
for name in sh true false id cat ls mount umount mknod echo ps env sleep hostname grep stat touch \
	chmod chown mkdir kill dd tty head wc pwd sed cp ln; do
	ln -s busybox "${TMP:?}/base/bin/$name"
done
printf 'root:x:0:0:root:/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n' >"${TMP:?}/base/etc/passwd"
printf 'root:x:0:\nstaff:x:50:ana\nusers:x:100:bob,ana\nana:x:1000:\n' >"${TMP:?}/base/etc/group"

# Where user nobody may run it in a user namespace, OWNER is nobody.
OWNER=0
DRIVER=()
OPTIONS=()

# marked: what the machine has that nobody may change
marked() {
	find "${MARK:?}" -printf '%p %y %m %n %U:%G %s %T@ %C@ %l\n' | sort
	find "${MARK:?}" -type f -print0 | sort -z | xargs -0 cksum
	stat -c '%n %a %u:%g %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
	hostname
	cat /proc/sys/kernel/core_pattern
	grep -c . /proc/self/mountinfo
}

# fresh: a new root at $R, a mount
fresh() {
	! mountpoint -q "${R:?}" || umount "${R:?}"
	rm -rf "${R:?}"
	cp -a "${TMP:?}/base" "${R:?}"
	[ "$OWNER" = 0 ] || chown -hR "$OWNER:$OWNER" "${R:?}"
	mount --bind "${R:?}" "${R:?}"
}

# remark: the test itself changed what the machine has
remark() {
	rm -f "${TMP:?}/before"
}

PROBES=0
# probe STATUS TEXT OPTION... PROGRAM...: over $R, then nothing of the machine's changed
probe() {
	local status=$1 text=$2 rc=0
	shift 2
	PROBES=$((PROBES + 1))
	[ -e "${TMP:?}/before" ] || marked >"${TMP:?}/before"
	OUT=$(timeout -k 1 30 "${DRIVER[@]}" "${MARK:?}/run" "${OPTIONS[@]}" "$@" 2>&1 </dev/null) || rc=$?
	marked >"${TMP:?}/after"
	diff "${TMP:?}/before" "${TMP:?}/after" >&2 || fail "'$*' changed the machine"
	[ $rc = "$status" ] || fail "'$*' ended with $rc, not $status: $OUT"
	case $OUT in
	*"$text"*) ;;
	*) fail "'$*' does not say '$text': $OUT" ;;
	esac
}
# root_probe: needs more ids than an ordinary user has
root_probe() {
	[ "$OWNER" != 0 ] || probe "$@"
}
