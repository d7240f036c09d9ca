# Sourced by the tests of containers, after lib.sh. A root with a shell in it, made of
# what this machine has.
: "${TMP:?}" "${SRC:?}" "${CAPAS:?}"

# small_image NAME [IMPORT-OPTION...]: a root of busybox, as an image
small_image() {
	local name=$1 tool
	shift
	need busybox
	mkdir -p "${TMP:?}/small/bin" "${TMP:?}/small/etc" "${TMP:?}/small/tmp"
	cp "$(command -v busybox)" "${TMP:?}/small/bin/busybox"
	for tool in $("${TMP:?}/small/bin/busybox" --list); do
		[ "$tool" = busybox ] || ln -s busybox "${TMP:?}/small/bin/$tool"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"${TMP:?}/small/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nstaff:x:50:user\n' >"${TMP:?}/small/etc/group"
	chmod 1777 "${TMP:?}/small/tmp"
	tar -C "${TMP:?}/small" --numeric-owner --owner=0 --group=0 -cf "${TMP:?}/small.tar" .
	"$CAPAS" import "$@" "${TMP:?}/small.tar" "$name" >/dev/null || fail "import $name"
}

# The processes that this test has begun: the program, with the test's store in the
# environment.
ours() {
	python3 - "$CAPAS_ROOT" "$(readlink -f "$CAPAS")" <<'P'
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        env = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
        if b"CAPAS_ROOT=" + sys.argv[1].encode() in env and os.readlink(f"/proc/{pid}/exe") == sys.argv[2]:
            print(pid)
    except OSError:
        pass
P
}

# No container outlives the test.
end_containers() {
	local ids
	ids=$("$CAPAS" ps -aq 2>/dev/null) && [ -z "$ids" ] || "$CAPAS" rm -f $ids >/dev/null 2>&1
	cleanup
}
trap end_containers EXIT

# monitor_of CONTAINER: its process
monitor_of() {
	local id
	id=$("$CAPAS" ps -aq --no-trunc --filter "name=$1") || return
	sed -n 's/.*"Monitor": *\([0-9]*\).*/\1/p' "$CAPAS_ROOT/tops/$id/state.json"
}
