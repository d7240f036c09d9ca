#!/bin/bash
# VOLUME of an image, and -v DIR: it begins with what the image has there, is nothing of
# what the container makes of itself, and goes with it. And volumes that have a name.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image plain
mkdir -p "${TMP:?}/small/data/sub" "${TMP:?}/small/real"
echo image >"${TMP:?}/small/data/file"
echo image >"${TMP:?}/small/data/sub/deep"
echo image >"${TMP:?}/small/real/file"
ln "${TMP:?}/small/data/file" "${TMP:?}/small/hard"
ln -s real "${TMP:?}/small/link"
tar -C "${TMP:?}/small" --numeric-owner --owner=0 --group=0 -cf "${TMP:?}/small.tar" .
"$CAPAS" import -c 'VOLUME ["/sys/fs/cgroup", "/proc", "/dev/x"]' "${TMP:?}/small.tar" systemd >/dev/null
"$CAPAS" import -c 'VOLUME ["/data", "/new/volume", "/link", "/link/inner"]' "${TMP:?}/small.tar" small >/dev/null
list() { "$CAPAS" export "$1" | tar -tvf - | sort; }
same() { list "$2" | diff "$TMP/plain" - >&2 || fail "$1"; }
list small >"$TMP/plain"
work='echo mine >/data/mine; rm /data/file; echo more >>/data/sub/deep; mv /data/sub /data/moved; chmod 700 /data
	echo x >/new/volume/x; mkdir /link/dir; rm /real/file; echo y >/link/inner/y'

# ---- nothing of them is the container's ----
"$CAPAS" run -d --name cc small sleep 1000 >/dev/null
"$CAPAS" exec cc sh -c "$work" || fail "volumes are not writable"
is "what they hold" "$("$CAPAS" exec cc sh -c 'cat /data/mine /data/moved/deep /new/volume/x /real/inner/y; ls /link')" $'mine\nimage\nmore\nx\ny\ndir\ninner'
is "diff while it runs" "$("$CAPAS" diff cc)" ""
"$CAPAS" exec cc touch /beside
is "what is beside them" "$("$CAPAS" diff cc)" "A /beside"
"$CAPAS" exec cc rm /beside
"$CAPAS" commit cc running >/dev/null
same "commit while it runs" running
"$CAPAS" exec cc ln /data/mine /out 2>/dev/null && fail "a link out of a volume"
"$CAPAS" stop -t 0 cc >/dev/null
is "diff at the end" "$("$CAPAS" diff cc)" ""
same "export at the end" cc
"$CAPAS" cp cc:/data/mine "$TMP/out" && is "cp out of a volume" "$(cat "$TMP/out")" mine
"$CAPAS" start cc >/dev/null
is "a second start" "$("$CAPAS" exec cc sh -c 'cat /data/mine /data/moved/deep')" $'mine\nimage\nmore'
"$CAPAS" rm -f -v cc >/dev/null
is "they are the container's own" "$("$CAPAS" run --rm small cat /data/file)" image
is "an image committed keeps its volumes" "$("$CAPAS" inspect -f '{{len .Config.Volumes}}' running)" 4
"$CAPAS" run --name w small sh -c 'echo changed >/hard' 2>/dev/null || "$CAPAS" run --name ww small sh -c 'echo changed >/hard'
is "a file that has a name elsewhere" "$("$CAPAS" diff ww | grep hard)" "C /hard"

# ---- precedence, read-only ----
mkdir "$TMP/host" && echo host >"$TMP/host/file"
is "-v over a VOLUME" "$("$CAPAS" run --rm -v "$TMP/host:/data" small cat /data/file)" host
is "--tmpfs over a VOLUME" "$("$CAPAS" run --rm --tmpfs /data small ls /data)" ""
"$CAPAS" run --rm --read-only small sh -c 'touch /data/x /new/volume/y && ! touch /x 2>/dev/null' || fail "a volume of a read-only container"
"$CAPAS" run --name anon -v /more plain sh -c 'echo x >/more/x'
is "-v DIR" "$("$CAPAS" diff anon)" ""
is "inspect" "$("$CAPAS" inspect -f '{{(index .Mounts 0).Type}} {{(index .Mounts 0).Destination}}' anon)" "volume /more"
for runtime in runc crun; do
	command -v $runtime >/dev/null || continue
	oci() { "$CAPAS" run --runtime $runtime "$@"; }
	oci --name "oci-$runtime" small sh -c "$work" || fail "$runtime: volumes are not writable"
	is "$runtime: diff" "$("$CAPAS" diff "oci-$runtime")" ""
	same "$runtime: export" "oci-$runtime"
	is "$runtime: what went out of one is a copy" "$(oci --rm small sh -c 'mv /data/sub /out && grep -c " /data " /proc/self/mountinfo')" 1
	is "$runtime: -v over a VOLUME" "$(oci --rm -v "$TMP/host:/data" small cat /data/file)" host
	is "$runtime: -v in a VOLUME" "$(oci --rm -v "$TMP/host:/data/sub" small cat /data/file /data/sub/file)" $'image\nhost'
	is "$runtime: --tmpfs over a VOLUME" "$(oci --rm --tmpfs /data small ls /data)" ""
	oci --rm --read-only small sh -c 'touch /data/x /new/volume/y && ! touch /x 2>/dev/null' || fail "$runtime: a volume of a read-only container"
	oci --name "anon-$runtime" -v /more plain sh -c 'echo x >/more/x' || fail "$runtime: -v DIR"
	is "$runtime: -v DIR" "$("$CAPAS" diff "anon-$runtime")" ""
	oci --rm systemd test -e /proc/self || fail "$runtime: a volume on what the kernel shows"
	refuses 125 "mount on '/proc'" oci --rm -v /proc plain true
done
"$CAPAS" import -c "VOLUME [$(seq -s, -f '"/v%g"' 200)]" "${TMP:?}/small.tar" many >/dev/null
refuses 125 "more than 128 volumes without a name" "$CAPAS" run --rm many true
"$CAPAS" run --rm systemd test -e /proc/self || fail "a volume on what the kernel shows"
refuses 125 "mount on '/proc'" "$CAPAS" run --rm -v /proc plain true
refuses 125 "it is [SOURCE:]TARGET[:ro]" "$CAPAS" run --rm -v relative plain true

# ---- with a name ----
"$CAPAS" run --rm -v named:/v plain sh -c 'echo kept >/v/file'
is "a named volume" "$("$CAPAS" run --rm -v named:/w:ro plain sh -c 'cat /w/file; touch /w/x 2>/dev/null || echo ro')" $'kept\nro'
refuses 125 "includes invalid characters for a local volume name" "$CAPAS" run --rm -v 'a b:/v' plain true
