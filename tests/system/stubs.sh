#!/bin/bash
# What a sandbox makes in the root to mount upon is no change of the container's: diff,
# commit, export and a mount of a moment do not show it, until somebody makes it his own.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small
mkdir "${TMP:?}/host"
echo host >"${TMP:?}/host/file"
options="-v $TMP/host:/a/b/volume -v $TMP/host/file:/etc/one --tmpfs /t/mp"
moment() { # MARK: what a mount of it shows
	"$CAPAS" mount --ro --top "$1" --at "$2" small "$MNT" || fail "mount --at $2"
	(cd "$MNT" && find . | sort)
	umount "$MNT"
}
plain=$("$CAPAS" export small | tar -tf - | sort)
"$CAPAS" mount --ro small "$MNT" && files=$(cd "$MNT" && find . | sort) && umount "$MNT"

for runtime in "" runc; do
	[ -z "$runtime" ] || command -v "$runtime" >/dev/null || continue
	"$CAPAS" run -d --name cc ${runtime:+--runtime $runtime} $options small sleep 1000 >/dev/null || fail "run $runtime"
	is "the volume" "$("$CAPAS" exec cc cat /a/b/volume/file /etc/one)" $'host\nhost'
	is "diff while it runs" "$("$CAPAS" diff cc)" ""
	"$CAPAS" mark cc before
	"$CAPAS" commit cc running >/dev/null || fail "commit while it runs"
	is "commit while it runs" "$("$CAPAS" export running | tar -tf - | sort)" "$plain"
	is "export while it runs" "$("$CAPAS" export cc | tar -tf - | sort)" "$plain"
	is "a mark while it runs" "$(moment cc before)" "$files"
	"$CAPAS" exec cc sh -c 'echo mine >/a/mine'
	is "what the program made beside" "$("$CAPAS" diff cc)" $'A /a\nA /a/mine'
	"$CAPAS" exec cc rm /a/mine
	"$CAPAS" stop -t 0 cc >/dev/null
	is "diff at the end" "$("$CAPAS" diff cc)" ""
	is "the mark of the end" "$(moment cc exit-1)" "$files"
	# A second start finds what the first has made.
	"$CAPAS" start cc >/dev/null && "$CAPAS" stop -t 0 cc >/dev/null
	is "diff after a second run" "$("$CAPAS" diff cc)" ""
	"$CAPAS" commit cc ended >/dev/null || fail "commit at the end"
	is "commit at the end" "$("$CAPAS" export ended | tar -tf - | sort)" "$plain"
	# What became somebody's own is there, without our mark on it.
	echo 127.0.0.9 >"$TMP/hosts"
	"$CAPAS" cp "$TMP/hosts" cc:/etc/hosts || fail "cp over a mountpoint"
	"$CAPAS" exec cc true 2>/dev/null && fail "exec in what has ended"
	is "a file that was written" "$("$CAPAS" diff cc)" $'C /etc\nA /etc/hosts'
	"$CAPAS" export cc | tar -xOf - etc/hosts ./etc/hosts 2>/dev/null | grep -qx 127.0.0.9 || fail "the written file is not exported"
	"$CAPAS" export cc | grep -aq user.capas && fail "our mark is exported"
	"$CAPAS" rm cc >/dev/null
done

# A working folder is the program's, as docker has it.
"$CAPAS" run --name ww -w /deep/here small true
is "a working folder" "$("$CAPAS" diff ww)" $'A /deep\nA /deep/here'
# An image without anything: even /etc is ours.
tar -C "$TMP/small" -cf "$TMP/bare.tar" ./bin/busybox
"$CAPAS" import "$TMP/bare.tar" bare >/dev/null
"$CAPAS" run --name bb bare /bin/busybox true || fail "run of a bare image"
is "diff of a bare image" "$("$CAPAS" diff bb)" ""
"$CAPAS" run --name ee bare /bin/busybox touch /etc/passwd
is "a file beside our own" "$("$CAPAS" diff ee)" $'A /etc\nA /etc/passwd'
