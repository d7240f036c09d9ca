set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
# Images for several platforms: which one is taken, and what is said when there is none.
need_fuse
need python3 tar
fast_tmp

# multi DIR HOW ARCH...: a layout of one image for several architectures, each with a file
# /arch. HOW: an index below index.json (nested), or all in index.json (flat)
multi() {
	python3 - "$@" <<'PY'
import hashlib, io, json, os, sys, tarfile
out, how, archs = sys.argv[1], sys.argv[2], sys.argv[3:]
os.makedirs(out + "/blobs/sha256")
def put(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    name = hashlib.sha256(data).hexdigest()
    open(f"{out}/blobs/sha256/{name}", "wb").write(data)
    return {"digest": "sha256:" + name, "size": len(data)}
M = "application/vnd.oci.image."
lines = []
for arch in archs:
    arch, _, variant = arch.partition(":")
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w") as t:
        i = tarfile.TarInfo("arch"); text = (arch + variant + "\n").encode(); i.size = len(text)
        t.addfile(i, io.BytesIO(text))
    layer = buf.getvalue()
    platform = {"os": "linux", "architecture": arch}
    if variant:
        platform["variant"] = variant
    config = put({**platform, "config": {}, "rootfs": {"type": "layers",
        "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
    manifest = put({"schemaVersion": 2, "mediaType": M + "manifest.v1+json",
        "config": {"mediaType": M + "config.v1+json", **config},
        "layers": [{"mediaType": M + "layer.v1.tar", **put(layer)}]})
    lines.append({"mediaType": M + "manifest.v1+json", **manifest, "platform": platform})
name = {"annotations": {"org.opencontainers.image.ref.name": "multi"}}
attest = {**lines[0], "platform": {"os": "unknown", "architecture": "unknown"}}
if how == "nested":
    lines = [{"mediaType": M + "index.v1+json", **put({"schemaVersion": 2, "mediaType":
        M + "index.v1+json", "manifests": lines + [attest]}), **name}]
elif how == "flat":
    lines = [{**l, **name} for l in lines]
json.dump({"schemaVersion": 2, "manifests": lines}, open(out + "/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open(out + "/oci-layout", "w"))
PY
}
host=$("$CAPAS" version --json | sed -n 's/.*"Arch": "\(.*\)".*/\1/p')
[ -n "$host" ] || fail "what machine is this?"
other=s390x
[ "$host" != s390x ] || other=amd64

for how in nested flat nameless; do
	D=$TMP/$how
	multi "$D" $how arm:v5 arm:v7 "$other" "$host" mips64le
	[ "$("$CAPAS" cat "oci:$D:/arch")" = "$host" ] || fail "$how: not this machine's"
	[ "$("$CAPAS" cat --platform "linux/$other" "oci:$D:/arch")" = "$other" ] || fail "$how: --platform"
	[ "$("$CAPAS" cat --platform linux/arm/v6 "oci:$D:/arch")" = armv5 ] || fail "$how: arm/v6"
	[ "$("$CAPAS" cat --platform arm "oci:$D:/arch")" = armv7 ] || fail "$how: arm"
	refuses 1 "no image for linux/loong64; there are: linux/arm/v5, linux/arm/v7, linux/$other, linux/$host, linux/mips64le" \
		"$CAPAS" ls --platform linux/loong64 "oci:$D"
	"$CAPAS" mount --platform mips64le "oci:$D" "$MNT" || fail "mount --platform"
	[ "$(cat "$MNT/arch")" = mips64le ] || fail "mount --platform shows $(cat "$MNT/arch")"
	"$CAPAS" umount "$MNT"
	tar -C "$D" -cf "$D.tar" .
	"$CAPAS" load -i "$D.tar" --platform "linux/$other" >"$TMP/out" || fail "$how: load --platform"
	id=$(awk '{print $NF}' "$TMP/out" | tail -1)
	[ "$("$CAPAS" cat "$id:/arch")" = "$other" ] || fail "$how: load took $("$CAPAS" cat "$id:/arch")"
	"$CAPAS" load -i "$D.tar" >"$TMP/out" 2>/dev/null || fail "$how: load"
	id=$(awk '{print $NF}' "$TMP/out" | tail -1)
	[ "$("$CAPAS" cat "$id:/arch")" = "$host" ] || fail "$how: load without --platform"
	refuses 1 "no image for linux/loong64; there are:" "$CAPAS" load -i "$D.tar" --platform linux/loong64
done

# None for this machine: said with those that there are. One image alone is taken as it is.
multi "$TMP/foreign" nested mips64le "$other"
refuses 1 "no image for linux/$host; there are: linux/mips64le, linux/$other" "$CAPAS" ls "oci:$TMP/foreign"
multi "$TMP/twice" flat mips64le "$other"
refuses 1 "no image for linux/$host; there are: linux/mips64le, linux/$other" "$CAPAS" ls "oci:$TMP/twice"
multi "$TMP/single" flat "$other"
[ "$("$CAPAS" cat "oci:$TMP/single:/arch")" = "$other" ] || fail "a single image for another machine"
refuses 1 "no image for linux/$host; there is: linux/$other" "$CAPAS" ls --platform "$host" "oci:$TMP/single"
tar -C "$TMP/single" -cf "$TMP/single.tar" .
refuses 1 "there is: linux/$other" "$CAPAS" load --platform "$host" -i "$TMP/single.tar"
"$CAPAS" load -i "$TMP/single.tar" >/dev/null 2>&1 || fail "load of a single image"
refuses 1 "there is: linux/$other" "$CAPAS" ls --platform "$host" multi
refuses 2 "is no platform" "$CAPAS" ls --platform 'Linux/' multi
refuses 2 "one platform already" "$CAPAS" mount --rw --platform "$other" multi "$MNT"
"$CAPAS" fsck | grep -qx clean || fail fsck
echo ok
