#!/usr/bin/env python3
"""Write hostile images into a folder.

usage: hostile-images.py DIR VICTIM

refuse-NAME/       an OCI layout that must be refused
refuse-NAME.tar    an archive of images that must be refused
odd-NAME(.tar)     may be taken, but must steer nothing
VICTIM             a file outside that nobody may read
"""
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile

OUT, VICTIM = sys.argv[1], sys.argv[2]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dumps(doc):
    return doc if isinstance(doc, bytes) else json.dumps(doc).encode()


def layer(text=b"hola\n"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("id")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


class Image:
    """A good image, until somebody changes a part of it."""

    made = 0

    def __init__(self):
        self.blobs = {}
        # Of its own: what the store knows of a layer would spare it the look at the bytes.
        Image.made += 1
        self.layer = self.put(layer(b"layer %d\n" % Image.made))
        self.config = {"architecture": "amd64", "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [self.layer]}}
        self.names = {"org.opencontainers.image.ref.name": "x"}
        self.index = None
        self.manifest = None

    def put(self, data):
        d = digest(data)
        self.blobs[d[7:]] = data
        return d

    def desc(self, media, doc, **change):
        data = dumps(doc)
        return {"mediaType": media, "digest": self.put(data), "size": len(data), **change}

    def finish(self):
        if self.manifest is None:
            self.manifest = self.make_manifest()
        if self.index is None:
            self.index = {"schemaVersion": 2, "manifests": [
                self.desc(MANIFEST, self.manifest, annotations=self.names)]}

    def make_manifest(self):
        return {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": self.desc(CONFIG, self.config),
                "layers": [{"mediaType": LAYER, "digest": self.layer,
                            "size": len(self.blobs[self.layer[7:]])}]}

    def write(self, name):
        self.finish()
        top = os.path.join(OUT, name)
        os.makedirs(os.path.join(top, "blobs/sha256"))
        for key, data in self.blobs.items():
            with open(os.path.join(top, "blobs/sha256", key), "wb") as f:
                f.write(data)
        with open(os.path.join(top, "index.json"), "wb") as f:
            f.write(dumps(self.index))
        with open(os.path.join(top, "oci-layout"), "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        return top


def changed(name, **parts):
    """A layout in which manifest, config or index differ by a function."""
    image = Image()
    if "config" in parts:
        image.config = parts["config"](image.config)
    image.manifest = image.make_manifest()
    if "manifest" in parts:
        image.manifest = parts["manifest"](image.manifest)
    if "index" in parts:
        image.finish()
        image.index = parts["index"](image.index)
    return image.write(name)


def with_(doc, **change):
    return {**doc, **change}


def first_layer(**change):
    return lambda m: with_(m, layers=[with_(m["layers"][0], **change)])


def entry(**change):
    return lambda i: with_(i, manifests=[with_(i["manifests"][0], **change)])


def blob_of(top, image_part):
    index = json.load(open(os.path.join(top, "index.json")))
    path = os.path.join(top, "blobs/sha256", index["manifests"][0]["digest"][7:])
    if image_part == "manifest":
        return path
    manifest = json.load(open(path))
    part = manifest["config"] if image_part == "config" else manifest["layers"][0]
    return os.path.join(top, "blobs/sha256", part["digest"][7:])


# ---- documents that lie ----

for what, size in (("less", 5), ("negative", -1), ("huge", 2 ** 62), ("float", 1.5), ("text", "9")):
    changed(f"refuse-index-size-{what}", index=entry(size=size))
    changed(f"refuse-layer-size-{what}", manifest=first_layer(size=size))
for what, value in (("climbs", "sha256:../../../../../../../../etc/passwd"), ("empty", "sha256:"),
                    ("short", "sha256:abcd"), ("upper", "sha256:" + "AB" * 32), ("slash", "sha256:" + "a/" * 32),
                    ("nul", "sha256:" + "a" * 63 + "\0"), ("number", 7), ("algorithm", "md5:" + "a" * 32)):
    changed(f"refuse-layer-digest-{what}", manifest=first_layer(digest=value))
    changed(f"refuse-config-digest-{what}",
            manifest=lambda m, v=value: with_(m, config=with_(m["config"], digest=v)))
changed("refuse-diffids-few", config=lambda c: with_(c, rootfs={"type": "layers", "diff_ids": []}))
changed("refuse-diffids-many", config=lambda c: with_(c, rootfs={"type": "layers", "diff_ids": c["rootfs"]["diff_ids"] * 2}))
changed("refuse-diffids-other", config=lambda c: with_(c, rootfs={"type": "layers", "diff_ids": ["sha256:" + "ab" * 32]}))
changed("refuse-rootfs-type", config=lambda c: with_(c, rootfs=with_(c["rootfs"], type="tree")))
changed("refuse-config-twice", config=lambda c: dumps(c)[:-1] + b',"rootfs":{"type":"layers","diff_ids":[]}}')
changed("refuse-config-deep", config=lambda c: b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}")
changed("refuse-config-nan", config=lambda c: dumps(c)[:-1] + b',"n":NaN}')
changed("refuse-config-not-utf8", config=lambda c: dumps(c)[:-1] + b',"author":"\xff\xfe"}')
changed("refuse-config-large", config=lambda c: with_(c, author="x" * (5 << 20)))
changed("refuse-manifest-large", manifest=lambda m: with_(m, annotations={"a": "x" * (5 << 20)}))
changed("refuse-index-large", index=lambda i: with_(i, annotations={"a": "x" * (33 << 20)}))
changed("refuse-manifest-and-index", manifest=lambda m: with_(m, manifests=[]))
changed("refuse-layers-many", manifest=lambda m: with_(m, layers=m["layers"] * 20000))
changed("refuse-index-garbage", index=lambda i: dumps(i) + b"\0garbage")

# Indexes in indexes, and one with more entries than anybody reads.
for name, depth in (("refuse-index-nested", 12),):
    image = Image()
    inner = image.desc(MANIFEST, image.make_manifest())
    for _ in range(depth):
        inner = image.desc(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]})
    image.index = {"schemaVersion": 2, "manifests": [inner]}
    image.write(name)
image = Image()
other = {"architecture": "s390x", "os": "linux"}
image.index = {"schemaVersion": 2, "manifests": [
    {"mediaType": MANIFEST, "digest": "sha256:%064x" % i, "size": 1, "platform": other} for i in range(50000)]}
image.write("refuse-index-entries")
image = Image()
image.index = {"schemaVersion": 2, "manifests": [image.desc(INDEX, {
    "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": "sha256:%064x" % i, "size": 1, "platform": other} for i in range(15000)]})]}
image.write("refuse-index-no-platform")
# One that says it is its own child: the digest cannot fit.
image = Image()
own = digest(b"own")
image.blobs[own[7:]] = dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
    {"mediaType": INDEX, "digest": own, "size": 200}]}).ljust(200)
image.index = {"schemaVersion": 2, "manifests": [{"mediaType": INDEX, "digest": own, "size": 200}]}
image.write("refuse-index-cycle")

# ---- files that are something else ----

for part in ("manifest", "config", "layer"):
    for kind in ("symlink", "fifo", "folder", "flipped", "longer", "shorter", "missing"):
        top = changed(f"refuse-{part}-{kind}")
        path = blob_of(top, part)
        data = open(path, "rb").read()
        os.unlink(path)
        if kind == "symlink":
            # The right bytes, but outside.
            with open(VICTIM + "." + part, "wb") as f:
                f.write(data)
            os.symlink(VICTIM + "." + part, path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            os.mkdir(path)
        elif kind != "missing":
            change = {"flipped": data[:9] + bytes([data[9] ^ 1]) + data[10:], "longer": data + b" ", "shorter": data[:-1]}
            with open(path, "wb") as f:
                f.write(change[kind])
for kind in ("symlink", "fifo", "folder"):
    top = changed(f"refuse-index-is-{kind}")
    path = os.path.join(top, "index.json")
    if kind == "symlink":
        os.rename(path, VICTIM + ".index")
        os.symlink(VICTIM + ".index", path)
    else:
        os.unlink(path)
        os.mkfifo(path) if kind == "fifo" else os.mkdir(path)
top = changed("refuse-blobs-elsewhere")
shutil.move(os.path.join(top, "blobs"), VICTIM + ".blobs")
os.symlink(VICTIM + ".blobs", os.path.join(top, "blobs"))


# ---- archives ----

def archive(name, members):
    with tarfile.open(os.path.join(OUT, name + ".tar"), "w") as tar:
        for path, data in members:
            info = tarfile.TarInfo(path)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def docker(layers, tags, config="config.json", extra=(), diff=None):
    data = layer()
    config_doc = {"architecture": "amd64", "os": "linux", "config": {},
                  "rootfs": {"type": "layers", "diff_ids": [diff or digest(data)] * len(layers)}}
    return [("manifest.json", dumps([{"Config": config, "RepoTags": tags, "Layers": layers}])),
            ("config.json", dumps(config_doc)), ("layer.tar", data), *extra]


archive("refuse-docker-layer-climbs", docker(["../../../../../../../.." + VICTIM], ["evil:1"]))
archive("refuse-docker-layer-absolute", docker([VICTIM], ["evil:1"]))
archive("refuse-docker-layer-link", docker(["l"], ["evil:1"], extra=[("l", VICTIM)]))
archive("refuse-docker-layer-loop", docker(["l"], ["evil:1"], extra=[("l", "m"), ("m", "l")]))
archive("refuse-docker-config-climbs", docker(["layer.tar"], ["evil:1"], config="../../../../../../../.." + VICTIM))
archive("refuse-docker-config-number", docker(["layer.tar"], ["evil:1"], config=7))
archive("refuse-docker-layers-no-list", docker("layer.tar", ["evil:1"]))
archive("refuse-docker-layer-other", docker(["layer.tar"], ["evil:1"], diff="sha256:" + "ab" * 32))
archive("refuse-docker-twice", docker(["layer.tar"], ["evil:1"], extra=[("layer.tar", layer(b"other"))]))
archive("refuse-docker-name-escape", docker(["layer.tar"], ["evil\x1b[2J:1"]))
archive("refuse-docker-name-climbs", docker(["layer.tar"], ["../../evil:1"]))
archive("refuse-docker-name-upper", docker(["layer.tar"], ["EVIL:1"]))
archive("refuse-docker-name-digest", docker(["layer.tar"], ["evil@sha256:" + "ab" * 32]))
archive("refuse-no-image", [("readme", b"hello")])
archive("refuse-empty-list", [("manifest.json", b"[]")])
archive("refuse-manifest-large", [("manifest.json", b"[" + b" " * (2 << 20) + b"]")])
with open(os.path.join(OUT, "refuse-members-many.tar"), "wb") as f:
    f.write(tarfile.TarInfo("m").tobuf() * 250000 + bytes(1024))
archive("odd-poison", docker(["layer.tar"], ["keep:1"]))

# ---- words that would steer a terminal ----

ESC = "\x1b]0;owned\x07\x1b[2J"
image = Image()
image.config = {**image.config, "created": ESC, "author": ESC, "config": {"Labels": {ESC: ESC, "capas.top": "x"}, "Env": [ESC]},
                "history": [{"created": ESC, "created_by": ESC, "comment": ESC}]}
image.write("odd-escapes")
