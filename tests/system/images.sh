#!/bin/bash
# Images come in, are named, shown, go out again, and leave nothing behind.
. "${SRC:?}/tests/system/lib.sh" || exit 1
make_root

id=$("$CAPAS" import -c 'CMD ["sh"]' -c 'ENV A=b' -m 'a test' "$TMP/root.tar" hola:1) || fail import
[[ $id =~ ^sha256:[0-9a-f]{64}$ ]] || fail "import printed '$id'"
"$CAPAS" images | grep -q '^hola *1 ' || fail "images does not list hola:1"
"$CAPAS" history hola:1 | grep -q 'a test' || fail "history lacks the message"
"$CAPAS" inspect hola:1 | grep -q "\"Id\": \"$id\"" || fail "inspect lacks the ID"
"$CAPAS" inspect hola:1 | grep -q '"A=b"' || fail "inspect lacks ENV"
diffid=$(sha256sum <"$TMP/root.tar" | cut -d' ' -f1)
"$CAPAS" inspect hola:1 | grep -q "sha256:$diffid" || fail "the diffID is not the tar's digest"
[ -e "$CAPAS_ROOT/blobs/sha256/$diffid" ] || fail "the blob did not keep its bytes"

for z in gzip bzip2 xz zstd; do
	command -v $z >/dev/null || continue
	$z -c "$TMP/root.tar" >"$TMP/root.tar.$z"
	"$CAPAS" import - "hola:$z" <"$TMP/root.tar.$z" >/dev/null || fail "import of $z"
	"$CAPAS" cat "hola:$z:/etc/greeting" | cmp - "$TMP/root/etc/greeting" || fail "cat from $z"
	"$CAPAS" inspect "hola:$z" | grep -q "sha256:$diffid" || fail "$z: another diffID"
done

"$CAPAS" tag hola:1 otra/hola:2 || fail tag
"$CAPAS" tag hola:1 otra/hola:2 || fail "tag twice"
[ "$("$CAPAS" images -q hola:1)" = "$("$CAPAS" images -q otra/hola:2)" ] || fail "two names, two images"
[ "$("$CAPAS" images -q "${id:7:8}" 2>&1 | wc -l)" = 0 ] || fail "an ID is no name"
"$CAPAS" history "${id:7:8}" >/dev/null || fail "the start of an ID does not find the image"

for format in docker-archive oci-archive; do
	"$CAPAS" save --format $format -o "$TMP/$format.tar" hola:1 otra/hola:2 || fail "save $format"
	"$CAPAS" --root "$TMP/s2" load -i "$TMP/$format.tar" || fail "load $format"
	[ "$("$CAPAS" --root "$TMP/s2" inspect otra/hola:2 | grep '"Id"')" = "$("$CAPAS" inspect hola:1 | grep '"Id"')" ] || fail "$format: another ID came back"
	"$CAPAS" save --format $format hola:1 | "$CAPAS" --root "$TMP/s3" load >/dev/null || fail "load $format from a pipe"
done
for z in gzip zstd none; do
	"$CAPAS" save --compress $z hola:1 | "$CAPAS" --root "$TMP/s-$z" load >/dev/null || fail "save --compress $z"
	"$CAPAS" --root "$TMP/s-$z" cat hola:1:/deep/er/random | cmp - "$TMP/root/deep/er/random" || fail "content after $z"
done

if command -v skopeo >/dev/null; then
	skopeo inspect "oci:$CAPAS_ROOT:hola:1" >/dev/null || fail "skopeo cannot read the store"
	skopeo copy -q "docker-archive:$TMP/docker-archive.tar:hola:1" "oci:$TMP/sk:x" || fail "skopeo refuses our docker-archive"
	skopeo copy -q "oci-archive:$TMP/oci-archive.tar:hola:1" "docker-archive:$TMP/sk.tar:hola:sk" || fail "skopeo refuses our oci-archive"
	"$CAPAS" load -i "$TMP/sk.tar" | grep -q hola:sk || fail "skopeo's docker-archive does not load"
	[ "$("$CAPAS" images -q hola:sk)" = "$("$CAPAS" images -q hola:1)" ] || fail "the config's bytes changed on the way"
fi

"$CAPAS" rmi hola:1 otra/hola:2 | grep -q 'Untagged: hola:1' || fail rmi
refuses 1 "no such image" "$CAPAS" history hola:1
refuses 1 "did you mean 'hola:gzip'" "$CAPAS" history hola:gzi
for name in $("$CAPAS" images | awk 'NR>1 {print $1 ":" $2}'); do "$CAPAS" rmi "$name" >/dev/null || fail "rmi $name"; done
"$CAPAS" fsck | grep -qx clean || fail "fsck after rmi"
"$CAPAS" gc >/dev/null || fail gc
[ -z "$(ls "$CAPAS_ROOT"/{blobs,index,seek,tree,span}/sha256 "$CAPAS_ROOT/tmp" | grep -v :)" ] || fail "gc left files"

"$CAPAS" import "$TMP/root.tar" hola:1 >/dev/null
blob=$CAPAS_ROOT/blobs/sha256/$diffid
chmod u+w "$blob"
printf X | dd of="$blob" bs=1 seek=700 conv=notrunc status=none
refuses 1 "$diffid" "$CAPAS" fsck
"$CAPAS" fsck | grep -q "hola:1" || fail "fsck does not name the image that needs the blob"
"$CAPAS" fsck --repair >/dev/null
"$CAPAS" import "$TMP/root.tar" hola:1 >/dev/null || fail "import again"
"$CAPAS" fsck | grep -qx clean || fail "the second import did not repair"
echo ok
