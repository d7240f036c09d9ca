#!/bin/bash
# What was seen over an image is what the committed image shows.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need_fuse
need python3 tar setfattr
make_root
MNT2=$TMP/mnt2
mkdir -p "${MNT2:?}"
cmp_tree() { python3 "$SRC/tests/system/treecmp.py" --no-holes --ignore-xattr user.capas. "$@" || fail "trees differ: $*"; }
end_mount() { "$CAPAS" umount "${1:?}" || fail "umount $1"; }
# shown IMAGE: it equals what is mounted at $MNT
shown() {
	"$CAPAS" mount "$1" "$MNT2" || fail "mount $1"
	cmp_tree "$MNT" "$MNT2"
	end_mount "$MNT2"
}
"$CAPAS" import -c 'CMD ["sh"]' -c 'ENV A=b' "$TMP/root.tar" base >/dev/null || fail import

# Changes of every kind.
"$CAPAS" mount --rw --top work base "$MNT" || fail "mount --rw"
echo more >>"$MNT/etc/greeting"
mkdir "$MNT/new" "$MNT/new/in"
echo fresh >"$MNT/new/in/file"
ln "$MNT/new/in/file" "$MNT/new/hard"
ln "$MNT/deep/hard" "$MNT/again"
ln -s nowhere "$MNT/new/link"
mknod "$MNT/new/dev" c 5 1
mkfifo "$MNT/new/pipe"
mv "$MNT/deep/er" "$MNT/moved"
rm "$MNT/fifo" "$MNT/bin/link"
rmdir "$MNT/bin"
mkdir -m 1777 "$MNT/bin"
truncate -s 5M "$MNT/new/sparse"
printf tail | dd of="$MNT/new/sparse" bs=1 seek=4000000 conv=notrunc status=none
printf X | dd of="$MNT/moved/random" bs=1 seek=150000 conv=notrunc status=none
chown 1234:5678 "$MNT/null"
setfattr -n user.note -v 'a value' "$MNT/etc"
setfattr -n trusted.note -v $'\x01\x02' "$MNT/new/in/file"
touch -d '1999-12-31 23:59:59.123456789' "$MNT/new/in"
python3 -c 'import sys; open(sys.argv[1] + "/" + "n" * 255, "w")' "$MNT/new"
python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$MNT/sock"

# While it is mounted.
"$CAPAS" diff work >"$TMP/diff" || fail diff
for line in 'C /etc/greeting' 'A /new/in/file' 'D /deep/er' 'A /moved/random' 'D /fifo' 'C /bin' 'D /bin/link' 'C /null' 'A /again' 'A /sock' 'C /deep' 'C /deep/hard'; do
	grep -qxF "$line" "$TMP/diff" || fail "diff lacks '$line': $(cat "$TMP/diff")"
done
! grep -qx '. /' "$TMP/diff" || fail "diff tells of the root"
"$CAPAS" diff --json work | python3 -c '
import json, sys
want = [line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1])]
got = [["CAD"[c["Kind"]], c["Path"]] for c in json.load(sys.stdin)]
assert got == want, (got, want)' "$TMP/diff" || fail "diff --json tells something else"
LC_ALL=C sort -c -k2 "$TMP/diff" || fail "diff is not sorted"
id=$("$CAPAS" commit -a 'A. Author' -m 'a message' -c 'ENV C=d' -c 'WORKDIR /new' work done:1 2>"$TMP/said") || fail "commit: $(cat "$TMP/said")"
[[ $id =~ ^sha256:[0-9a-f]{64}$ ]] || fail "commit printed '$id'"
grep -q "/sock.*left out" "$TMP/said" || fail "no word of the socket: $(cat "$TMP/said")"
rm "$MNT/sock"
# The folder's time has moved on with the socket.
touch -d '2020-01-01' "$MNT"
"$CAPAS" commit work done:2 >/dev/null || fail "commit again"
shown done:2
"$CAPAS" inspect done:1 >"$TMP/inspect"
for text in '"Id": "'"$id" 'A. Author' '"A=b"' '"C=d"' '"/new"' '"sh"'; do
	grep -qF "$text" "$TMP/inspect" || fail "inspect lacks '$text': $(cat "$TMP/inspect")"
done
"$CAPAS" history done:1 | head -2 | grep -q 'a message' || fail "history lacks the message"

# Unmounted: the same digests, whoever asks and whenever.
end_mount "$MNT"
export SOURCE_DATE_EPOCH=1700000000
a=$("$CAPAS" commit work same:1) || fail "commit unmounted"
sleep 1.1
[ "$a" = "$("$CAPAS" commit work same:2)" ] || fail "two commits, two images"
"$CAPAS" inspect same:1 | grep -q '"2023-11-14T22:13:20Z"' || fail "SOURCE_DATE_EPOCH is not the time of creation"
"$CAPAS" mount --layer 2 same:1 "$MNT2"
[ "$(find "$MNT2" -newermt '2023-11-14 22:13:21Z' | wc -l)" = 0 ] || fail "a time is later than SOURCE_DATE_EPOCH"
[ "$(stat -c %y "$MNT2/new/in")" = "$(TZ=UTC date -d '1999-12-31 23:59:59.123456789' '+%F %T.%N +0000')" ] || fail "an early time changed"
end_mount "$MNT2"
unset SOURCE_DATE_EPOCH
"$CAPAS" mount --ro --top work base "$MNT" || fail "mount --ro --top"
shown done:2

# Looked at while it is written, and by the next who writes: it is what it was then.
"$CAPAS" mount --rw --top watched base "$MNT" || fail "mount --rw"
for f in kept gone cut; do head -c 300000 /dev/urandom >"$MNT/$f"; done
(cd "$MNT" && sha256sum kept gone cut) >"$TMP/sums"
still() { (cd "$MNT2" && sha256sum --quiet -c "$TMP/sums") || fail "what is looked at changes: $1"; }
change() {
	printf XXXX | dd of="$MNT/kept" bs=1 seek="$1" conv=notrunc status=none
	rm -f "$MNT/gone"
	truncate -s "$1" "$MNT/cut"
	sync "$MNT/cut"
}
"$CAPAS" mount --ro --top watched base "$MNT2" || fail "mount --ro of a top that is mounted"
change 2000
still "by the driver that was there"
end_mount "$MNT"
"$CAPAS" mount --rw --top watched base "$MNT" || fail "mount --rw beside --ro"
change 1000
still "by the next driver"
end_mount "$MNT2"
end_mount "$MNT"
"$CAPAS" mount --ro --top watched base "$MNT2" || fail "mount --ro"
(cd "$MNT2" && sha256sum kept cut) >"$TMP/sums"
"$CAPAS" mount --rw --top watched base "$MNT" || fail "mount --rw of a top that is looked at"
change 500
still "by a driver that came later"
end_mount "$MNT"
end_mount "$MNT2"
# Nobody looks any more: what nobody needs goes.
"$CAPAS" mount --rw --top watched base "$MNT" && rm "$MNT/kept" "$MNT/cut" && end_mount "$MNT" || fail "mount --rw"
"$CAPAS" mount --rw --top watched base "$MNT" || fail "mount --rw"
for log in "$CAPAS_ROOT"/tops/*/log; do
	! grep -q '"watched"' "${log%log}top.json" || [ -z "$(ls "${log%log}data")" ] || fail "data files stay: $(ls "${log%log}data")"
done
end_mount "$MNT"
"$CAPAS" rm watched >/dev/null || fail "rm watched"

# Compressed layers hold the same.
for z in gzip zstd none; do
	"$CAPAS" commit --compress $z work "z:$z" >/dev/null || fail "commit --compress $z"
	shown "z:$z"
done
refuses 2 "gzip, zstd or none" "$CAPAS" commit --compress bzip2 work

# Others read it too.
if command -v skopeo >/dev/null && command -v umoci >/dev/null; then
	skopeo copy -q "oci:$CAPAS_ROOT:z:gzip" "oci:$TMP/copy:x" || fail "skopeo refuses it"
	umoci unpack --image "$TMP/copy:x" "$TMP/bundle" >/dev/null 2>&1 || fail "umoci refuses it"
	# umoci drops what is in no capability of its own: times of folders above a whiteout.
	cmp_tree "$TMP/bundle/rootfs" "$MNT"
fi

# export and tar agree.
"$CAPAS" export work | tar -tf - >"$TMP/names" || fail export
[ "$(grep -c . "$TMP/names")" = "$(find "$MNT" | wc -l)" ] || fail "export lacks names"
mkdir "${TMP:?}/out"
"$CAPAS" export -o "$TMP/out.tar" work || fail "export -o"
mkfifo "$TMP/fifo"
timeout 60 cat "$TMP/fifo" >"$TMP/through" &
timeout 60 "$CAPAS" export -o "$TMP/fifo" work || fail "export -o FIFO"
wait $! && cmp "$TMP/out.tar" "$TMP/through" || fail "what went through a fifo"
[ -p "$TMP/fifo" ] || fail "a fifo was replaced by a file"
tar --xattrs --xattrs-include='*' -C "$TMP/out" --numeric-owner -xpf "$TMP/out.tar" || fail "tar refuses the export"
cmp_tree "$TMP/out" "$MNT"
"$CAPAS" export done:2 | cmp - "$TMP/out.tar" || fail "the image's export is another"
"$CAPAS" export "tar:$TMP/root.tar" | tar -tf - | grep -qx './' || fail "export of a SOURCE"
refuses 1 "no-such" "$CAPAS" export no-such
[ "$(ls "$TMP" | grep -c '^out.tar')" = 1 ] || fail "an export left a file behind"
end_mount "$MNT"

# Nothing changed: a line of history, no layer.
"$CAPAS" mount --rw --top idle base "$MNT"
end_mount "$MNT"
[ -z "$("$CAPAS" diff idle)" ] || fail "a diff of nothing"
"$CAPAS" commit -c 'USER nobody' idle idle:1 >/dev/null || fail "commit of nothing"
[ "$("$CAPAS" inspect idle:1 | grep -c 'sha256:.*')" = "$("$CAPAS" inspect base | grep -c 'sha256:.*')" ] || fail "a layer of nothing"
"$CAPAS" history idle:1 | sed -n 2p | grep -q 'capas commit' || fail "no history of it"
"$CAPAS" inspect idle:1 | grep -q '"nobody"' || fail "USER is lost"

# Without a name: kept until gc is told to take such.
id=$("$CAPAS" commit -m nameless work) || fail "commit without a name"
"$CAPAS" gc >/dev/null
"$CAPAS" history "${id#sha256:}" | grep -q nameless || fail "gc took an image without a name"

# A name that no layer holds.
"$CAPAS" mount --rw --top odd base "$MNT"
touch "$MNT/etc/.wh.greeting"
refuses 1 "/etc/.wh.greeting" "$CAPAS" commit odd odd:1
refuses 1 "no such image" "$CAPAS" history odd:1
"$CAPAS" diff odd | grep -qxF 'A /etc/.wh.greeting' || fail "diff lacks the odd name"
refuses 1 "in use" "$CAPAS" rm odd
end_mount "$MNT"

# A commit on top of a commit, while somebody writes.
"$CAPAS" mount --rw --top busy done:2 "$MNT"
(
	i=0
	while [ ! -e "$TMP/stop" ]; do
		echo "$i" >"$MNT/moved/count.tmp"
		mv "$MNT/moved/count.tmp" "$MNT/moved/count"
		head -c 200000 /dev/zero >"$MNT/moved/big$((i % 7))"
		i=$((i + 1))
	done
) &
writer=$!
for n in 1 2 3 4 5; do
	"$CAPAS" commit busy "busy:$n" >/dev/null || fail "commit while it is written"
	"$CAPAS" mount "busy:$n" "$MNT2" || fail "mount busy:$n"
	[ "$(cat "$MNT2/etc/greeting")" = "$(cat "$MNT/etc/greeting")" ] || fail "busy:$n lacks the lower layers"
	for f in "$MNT2"/moved/big*; do
		[ ! -e "$f" ] || [ "$(tr -d '\0' <"$f" | wc -c)" = 0 ] || fail "busy:$n: bytes that nobody wrote"
	done
	find "$MNT2" -type f -exec cat {} + >/dev/null || fail "busy:$n cannot be read"
	end_mount "$MNT2"
done
touch "$TMP/stop"
wait $writer
"$CAPAS" commit busy busy:end >/dev/null
shown busy:end
end_mount "$MNT"

# Marks, mounted and not.
"$CAPAS" mark work before || fail mark
"$CAPAS" mount --rw --top work base "$MNT"
rm -r "${MNT:?}/new"
"$CAPAS" mark work after || fail "mark while mounted"
refuses 2 "empty" "$CAPAS" mark work ''
end_mount "$MNT"
"$CAPAS" mount --at before --top work base "$MNT" || fail "mount --at"
shown done:2
end_mount "$MNT"

# A top keeps its image; rm lets both go.
"$CAPAS" inspect work | grep -q '"Name": "/work"' || fail "inspect of a container"
"$CAPAS" fsck | grep -qx clean || fail "fsck: $("$CAPAS" fsck)"
refuses 1 "is using its referenced image" "$CAPAS" rmi base
for name in $("$CAPAS" images | awk 'NR>1 && $1 != "<none>" {print $1 ":" $2}'); do "$CAPAS" rmi -f "$name" >/dev/null || fail "rmi $name"; done
"$CAPAS" gc --untagged >/dev/null || fail gc
"$CAPAS" mount --rw --top work base "$MNT" || fail "the top lost its image"
end_mount "$MNT"
[ "$("$CAPAS" rm work idle odd busy | tr '\n' ' ')" = 'work idle odd busy ' ] || fail rm
refuses 1 "no such container: 'work'" "$CAPAS" rm work
"$CAPAS" rm -f work || fail "rm -f of nothing"
"$CAPAS" gc --untagged >/dev/null || fail gc
[ -z "$(ls "$CAPAS_ROOT"/{blobs,index,seek,tree,span}/sha256 "$CAPAS_ROOT/tmp" "$CAPAS_ROOT/tops" | grep -v :)" ] || fail "files are left"
"$CAPAS" fsck | grep -qx clean || fail "fsck at the end"
echo ok
