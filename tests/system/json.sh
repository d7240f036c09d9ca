#!/bin/bash
# --json: one document, for every command that prints data, with the same facts as the text.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
need jq
make_root
printf 'x' >"$TMP/root/$(printf 'bad\377name')"
tar -C "$TMP/root" --format=pax --numeric-owner -cf "$TMP/root.tar" .
id=$(SOURCE_DATE_EPOCH=1700000000 "$CAPAS" import -c 'ENV A=b' -m 'a test' "$TMP/root.tar" hola:1) || fail import
SOURCE_DATE_EPOCH=1600000000 "$CAPAS" import "$TMP/root.tar" vieja:1 >/dev/null || fail import
"$CAPAS" tag hola:1 otra:2

# json COMMAND...: run it into $TMP/doc; it must be one document, whatever its status
json() {
	local rc=0
	"$CAPAS" "$@" >"$TMP/doc" 2>"$TMP/err" || rc=$?
	[ "$(jq -s length "$TMP/doc")" = 1 ] || fail "'$*' prints no single document: $(head -c 300 "$TMP/doc")"
	return $rc
}
# is FILTER VALUE: what jq finds in the last document
is() {
	local got
	got=$(jq -r "$1" "$TMP/doc") || fail "jq $1"
	[ "$got" = "$2" ] || fail "$1 is '$got', not '$2': $(head -c 500 "$TMP/doc")"
}

json --root "$TMP/empty" images --json || fail "images of an empty store"
is length 0
json images --json || fail images
is length 3
is '.[0].ID' "$id"
is '.[0] | .Repository + ":" + .Tag' hola:1
is '.[1] | .Repository + ":" + .Tag' otra:2
is '.[2].Repository' vieja
is '.[0].CreatedAt' 2023-11-14T22:13:20Z
is '.[0].Digest | test("^sha256:[0-9a-f]{64}$")' true
is '.[0].Size > 300000' true
json images --json 'o*' || fail "images with a pattern"
is '.[].Repository' otra
json images --json nothing || fail "images without a match"
is length 0

json history --json hola:1 || fail history
is '.[0].ID' "$id"
is '.[0].Comment' 'a test'
is '.[0].CreatedBy' "capas import $TMP/root.tar"
is '.[0].Layer' 1

json inspect hola:1 vieja:1 || fail inspect
is length 2
is '.[0].Id' "$id"
is '.[0].RepoTags | sort | join(" ")' 'hola:1 otra:2'
is '.[0].RepoDigests | length' 2
is '.[0].Config.Env[0]' A=b
is '.[0].Comment' 'a test'
! json inspect hola:1 nothing || fail "inspect of nothing"
is length 1
grep -q "'nothing': no such object" "$TMP/err" || fail "inspect does not tell what is missing"

json ls --json hola:1 || fail ls
is '[.[].Path] | index("etc") != null' true
is '.[] | select(.Path == "etc") | .Type + .Mode' "d$(stat -c 0%a "$TMP/root/etc")"
is '.[] | select(.PathHex) | .PathHex' "$(printf 'bad\377name' | od -An -tx1 | tr -d ' \n')"
json ls -R --json hola:1:/deep || fail "ls -R"
is '.[] | select(.Path == "/deep/er/random") | .Size' 300000
is '.[] | select(.Path == "/deep/hard") | .Nlink' 2
json find --json hola:1 -type l || fail find
is '.[].Path' /bin/link
is '.[].LinkTarget' ../etc/greeting
is '.[].Layer' 1
json find --json hola:1 -name greeting || fail find
is '.[].Mtime' "$(TZ=UTC date -r "$TMP/root/etc/greeting" +%Y-%m-%dT%H:%M:%S.%NZ)"
json find --json hola:1 -name nothing || fail find
is length 0
"$CAPAS" find hola:1 >"$TMP/text"
json find --json hola:1 || fail find
is length "$(wc -l <"$TMP/text")"

json df --json || fail df
is 'map(.Type) | join(" ")' 'Images Garbage Derived Containers'
is '.[0].TotalCount' 2
json version --json || fail version
is .Client.Version "$("$CAPAS" version | cut -d' ' -f2)"
json info --json || fail info
is .Images 2
is .Root "$CAPAS_ROOT"
is .KernelVersion "$(uname -r)"
is '.Libraries | map(.Name) | index("libfuse") != null' true
json gc -n --json || fail gc
is .BlobsDeleted 0

json fsck --json || fail fsck
is .Clean true
blob=$CAPAS_ROOT/blobs/sha256/$(sha256sum <"$TMP/root.tar" | cut -d' ' -f1)
chmod u+w "$blob"
printf X | dd of="$blob" bs=1 seek=700 conv=notrunc status=none
! json fsck --json || fail "fsck finds nothing"
is .Clean false
is '.Findings[0].Kind' damaged
is '.Findings[0].Name' "blobs/sha256/${blob##*/}"

json mounts --json || fail mounts
is 'type' array
if [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
	"$CAPAS" mount "tar:$TMP/root.tar" "$MNT" || fail mount
	json mounts --json || fail mounts
	is ".[] | select(.Destination == \"$MNT\") | .Source" "tar:$TMP/root.tar"
	"$CAPAS" umount "$MNT" || fail umount
fi
echo ok
