#!/bin/bash
# How long a container takes from the command to its end: `capas run --rm IMAGE true`
# against runc on a prepared bundle, podman over kernel overlayfs, and unshare + chroot.
# usage: tests/bench/run.sh CAPAS      (root; needs busybox)
#   ROUNDS=30   each figure is the median of so many rounds
. "$(dirname "$0")/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
small_image small
python3 - "$CAPAS" "${TMP:?}" "${ROUNDS:-30}" <<'P'
import json, os, shutil, subprocess, sys, time
capas, tmp, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
null = subprocess.DEVNULL

def runc():
    bundle = f"{tmp}/bundle"
    os.mkdir(bundle)
    subprocess.run(["runc", "spec"], cwd=bundle, check=True)
    config = json.load(open(f"{bundle}/config.json"))
    config["process"].update(terminal=False, args=["true"])
    config["process"].pop("rlimits", None)
    config["root"] = {"path": f"{tmp}/small", "readonly": False}
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
    json.dump(config, open(f"{bundle}/config.json", "w"))
    return ["runc", "run", "-b", bundle, f"bench{os.getpid()}"]

def podman():
    base = ["podman", "--root", f"{tmp}/podman", "--runroot", f"{tmp}/podrun", "--storage-driver", "overlay"]
    subprocess.run(base + ["import", f"{tmp}/small.tar", "small"], check=True, stdout=null, stderr=null)
    return base + ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "run", "--rm", "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:1024", "--network", "host", "small", "true"]

contenders = {
    "capas run --rm": lambda: [capas, "run", "--rm", "small", "true"],
    "capas run --rm --network none": lambda: [capas, "run", "--rm", "--network", "none", "small", "true"],
    "runc run": runc,
    "podman run --rm": podman,
    "unshare + chroot": lambda: ["unshare", "-mpfiu", "chroot", f"{tmp}/small", "/bin/true"],
    "capas version": lambda: [capas, "version"],
}
ready = {}
for name, make in contenders.items():
    try:
        command = make()
        subprocess.run(command, check=True, stdout=null, stderr=subprocess.PIPE)
        ready[name] = (command, [])
    except FileNotFoundError as e:
        print(f"{name}: left out: {e.filename} is not installed")
    except subprocess.CalledProcessError as e:
        print(f"{name}: left out: {(e.stderr or b'').decode(errors='replace').strip()[-200:]}")
# In turn, so that what the machine does besides hits all alike.
for _ in range(rounds):
    for command, times in ready.values():
        start = time.perf_counter()
        subprocess.run(command, stdout=null, stderr=null)
        times.append(time.perf_counter() - start)
median = lambda t: sorted(t)[len(t) // 2] * 1000
base = median(ready["capas run --rm"][1])
print(f"{'':32}{'median':>10}{'least':>10}{'capas is':>12}")
for name, (_, times) in ready.items():
    print(f"{name:32}{median(times):8.1f}ms{min(times) * 1000:8.1f}ms{base / median(times):11.2f}x")
P
