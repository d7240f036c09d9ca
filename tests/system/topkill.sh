#!/bin/bash
# What a writable mount has acknowledged stays: over kill -9 of the driver, power cuts, a
# full disk, errors of the disk, and up to the damage in a damaged log.
# SEED=n reproduces the load, not the moments; PARTS="kill power ..." runs some of it;
# ROUNDS=n does more of it; DISK_FS=xfs takes another disk than ext4.
set -eu
# In a mount namespace of its own: nobody else's copy keeps the disks busy.
[ -n "${OWN_MOUNTS-}" ] || [ "$(id -u)" != 0 ] || OWN_MOUNTS=1 exec unshare -m --propagation slave bash "$0"
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-top.sh" || exit 1
need_fuse
need python3 strace
SEED=${SEED:-$RANDOM}
echo "SEED=$SEED"
acked=$TOOLS/acked
LOADS="0 1 2"
MANY=1000000

for i in $LOADS; do
	mkdir -p "${TMP:?}/lower/w$i"
	"$acked" prepare "${TMP:?}/lower/w$i" || fail "prepare"
done
mkdir -p "${TMP:?}/lower/still" && echo untouched >"${TMP:?}/lower/still/file"
layer_tar "${TMP:?}/lower" "${TMP:?}/lower.tar"
import() { "$CAPAS" import "${TMP:?}/lower.tar" acked >/dev/null || fail "import"; }

driver=
# serve TOP [WRAPPER...]: mount in the foreground of a child, so that it has a number
serve() {
	local top=$1
	shift
	"$@" "$CAPAS" mount -f --rw --top "$top" acked "$MNT" 2>"${TMP:?}/driver.err" &
	driver=$!
	for _ in $(seq 100); do
		mountpoint -q "$MNT" && return
		kill -0 "$driver" 2>/dev/null || break
		sleep 0.05
	done
	fail "no mount: $(cat "${TMP:?}/driver.err")"
}
end_driver() {
	wait "$driver" 2>/dev/null || :
	driver=
}
kill_driver() {
	kill -9 "$driver"
	end_driver
	umount -l "$MNT" || fail "umount -l"
}
start_loads() { # MODE
	local i
	pids=
	for i in $LOADS; do
		"$acked" "$1" "$MNT/w$i" "${TMP:?}/$2.$i" $((SEED + i)) $MANY 2>/dev/null &
		pids="$pids $!"
	done
}
end_loads() {
	local pid
	for pid in $pids; do wait "$pid" || :; done
}
check_loads() { # PREFIX
	local i
	for i in $LOADS; do
		"$acked" check "$MNT/w$i" "${TMP:?}/$1.$i" $((SEED + i)) || fail "$2: SEED=$SEED"
	done
	[ "$(cat "$MNT/still/file")" = untouched ] || fail "$2: a file that nobody wrote"
}
some_time() { sleep "0.$((RANDOM % 8 + 2))"; }
steps_of() { cat "${TMP:?}/$1".* | wc -c; }

top_dir() { # TOP: the folder that holds its log
	local log
	for log in "$CAPAS_ROOT"/tops/*/log; do
		grep -qs "\"$1\"" "${log%/log}"/*.json && echo "${log%/log}" && return
	done
	fail "where is the top $1?"
}

part_kill() {
	echo "- kill -9 of the driver"
	export CAPAS_ROOT=${TMP:?}/store
	import
	serve killed
	kill -9 "$driver"
	end_driver
	refuses 1 "driver that died: unmount it first" "$CAPAS" mount --rw --top other acked "$MNT"
	umount -l "$MNT"
	for round in $(seq "${ROUNDS:-6}"); do
		serve killed
		start_loads load killed
		some_time
		kill_driver
		end_loads
		mount_top killed acked
		check_loads killed "killed, round $round"
		umount_top
	done
	[ "$(steps_of killed)" -gt 500 ] || fail "the loads did next to nothing"
}

part_power() {
	echo "- the power goes"
	small_disk disk 1G
	export CAPAS_ROOT=${TMP:?}/disk/store
	import
	for round in $(seq "${ROUNDS:-5}"); do
		serve power
		start_loads durable power
		some_time
		"$TOOLS/powercut" "${TMP:?}/disk" $pids || fail "powercut"
		sleep 0.1
		kill_driver
		end_loads
		umount "${TMP:?}/disk" || fail "umount of the disk"
		mount -o loop "${TMP:?}/disks/disk" "${TMP:?}/disk" || fail "mount of the disk"
		mount_top power acked
		check_loads power "power cut, round $round"
		umount_top
	done
	[ "$(steps_of power)" -gt 100 ] || fail "the loads did next to nothing"
}

# What a dead driver left in the page cache is a promise as soon as somebody syncs.
part_both() {
	both synced
	both alone
}
# both HOW: the file is synced after the mount, or nothing of the top is
both() {
	echo "- kill -9, a mount, and then the power goes ($1)"
	small_disk both 1G
	export CAPAS_ROOT=${TMP:?}/both/store
	import
	serve both
	head -c 60000 /dev/urandom >"${TMP:?}/small"
	head -c 400000 /dev/urandom >"${TMP:?}/large"
	# In the log, and synced; then in a file of its own, and not.
	cp "${TMP:?}/small" "$MNT/small"
	cp "${TMP:?}/large" "$MNT/gone"
	sync "$MNT/small" "$MNT/gone"
	head -c 10000 /dev/zero >>"$MNT/small"
	cp "${TMP:?}/large" "$MNT/large"
	rm "$MNT/gone"
	kill_driver
	serve both
	# Of the disk, and of nothing that the top has there: its journal goes out.
	touch "${TMP:?}/both/other"
	sync "${TMP:?}/both/other"
	[ "$1" = alone ] || sync "$MNT/large"
	"$TOOLS/powercut" "${TMP:?}/both" || fail "powercut"
	kill_driver
	umount "${TMP:?}/both" || fail "umount of the disk"
	mount -o loop "${TMP:?}/disks/both" "${TMP:?}/both" || fail "mount of the disk"
	mount_top both acked
	[ ! -e "$MNT/gone" ] || cmp "${TMP:?}/large" "$MNT/gone" || fail "a synced file, removed and back"
	cmp -n 60000 "${TMP:?}/small" "$MNT/small" || fail "synced in the log, lost with the file"
	[ "$1" = alone ] || cmp "${TMP:?}/large" "$MNT/large" || fail "written before the kill, synced after it"
	umount_top
	umount "${TMP:?}/both"
}

# What a file does not hold any more, the disk has again.
part_space() {
	echo "- space that is given back"
	local free
	small_disk space 200M
	export CAPAS_ROOT=${TMP:?}/space/store
	import
	room() { echo $(($(stat -f -c '%f * %S' "${TMP:?}/space") >> 20)); } # MiB
	gains() { # MIB WHAT
		sync "$MNT/cut" "$MNT/punched"
		[ $(($(room) - free)) -gt "$1" ] || fail "$2 gives back $(($(room) - free)) MiB"
	}
	mount_top space acked
	head -c 60M /dev/urandom >"${TMP:?}/disks/random"
	cp "${TMP:?}/disks/random" "$MNT/cut"
	cp "${TMP:?}/disks/random" "$MNT/punched"
	sync "$MNT/cut" "$MNT/punched"
	free=$(room)
	truncate -s 1M "$MNT/cut"
	gains 55 "truncate"
	[ "$(du -k "$MNT/cut" | cut -f1)" = 1024 ] || fail "blocks of what is left: $(du -k "$MNT/cut")"
	fallocate -p -o 1M -l 40M "$MNT/punched"
	# Taken again before the sync: the rest is given back.
	dd if="${TMP:?}/disks/random" of="$MNT/punched" bs=1M count=2 skip=10 seek=10 conv=notrunc status=none
	gains 90 "a hole"
	same_as_before() {
		cmp -n 1M "${TMP:?}/disks/random" "$MNT/cut" || fail "$1: what was not cut off"
		cmp -n 1M "${TMP:?}/disks/random" "$MNT/punched" || fail "$1: before the hole"
		cmp -i 41M "${TMP:?}/disks/random" "$MNT/punched" || fail "$1: behind the hole"
		cmp -i 10M -n 2M "${TMP:?}/disks/random" "$MNT/punched" || fail "$1: in the hole"
		cmp -i 1M:0 -n 9M "$MNT/punched" /dev/zero || fail "$1: the hole"
	}
	same_as_before "at once"
	# Space that is set aside stays, also where something was cut off just before.
	truncate -s 100k "$MNT/cut"
	fallocate -n -l 30M "$MNT/cut"
	sync "$MNT/cut"
	[ $(($(room) - free)) -lt 80 ] || fail "space set aside was given back"
	truncate -s 1M "$MNT/cut"
	dd if="${TMP:?}/disks/random" of="$MNT/cut" bs=1M count=1 conv=notrunc status=none
	umount_top
	mount_top space acked
	same_as_before "mounted again"
	# A full disk: what is cut off helps, without a sync by whoever needs the room.
	cp "${TMP:?}/disks/random" "$MNT/other"
	head -c 200M /dev/zero >"$MNT/filler" 2>/dev/null && fail "200 MB on a disk of 200 MB"
	truncate -s 1M "$MNT/other"
	cp "${TMP:?}/disks/random" "$MNT/more" 2>/dev/null || truncate -s 1M "$MNT/filler"
	cp "${TMP:?}/disks/random" "$MNT/more" || fail "cutting off frees nothing on a full disk"
	same_as_before "on a full disk"
	# Killed before the sync.
	rm "$MNT/filler" "$MNT/more"
	umount_top
	serve space
	cp "${TMP:?}/disks/random" "$MNT/other"
	sync "$MNT/other"
	free=$(room)
	truncate -s 1M "$MNT/other"
	kill_driver
	mount_top space acked
	gains 55 "opening it again"
	umount_top
	# A mark's files are as they were.
	mount_top space acked
	"$CAPAS" mark space before || fail "mark"
	truncate -s 8k "$MNT/punched"
	sync "$MNT/punched"
	umount_top
	"$CAPAS" mount --top space --at before acked "$MNT" || fail "mount --at"
	same_as_before "at a mark"
	umount_top
}

part_full() {
	echo "- the disk is full"
	small_disk full 100M
	export CAPAS_ROOT=${TMP:?}/full/store
	import
	mount_top full acked
	load_full() { # STEPS [refusals]
		local i
		for i in $LOADS; do
			"$acked" load "$MNT/w$i" "${TMP:?}/full.out.$i" $((SEED + i)) "$@" || fail "full: load $*"
		done
	}
	load_full 100
	# From inside: the writer is told; the mount lives; deleting works and helps.
	if dd if=/dev/zero of="$MNT/filler" bs=1M count=200 conv=fsync 2>"${TMP:?}/dd"; then
		fail "200 MB on a disk of 100 MB"
	fi
	grep -q 'No space left' "${TMP:?}/dd" || fail "dd says: $(cat "${TMP:?}/dd")"
	load_full 600 refusals >"${TMP:?}/refusals"
	cat "${TMP:?}/refusals"
	grep -qv ' 0 refused' "${TMP:?}/refusals" || fail "nothing was refused on a full disk"
	check_loads full.out "full"
	rm "$MNT/filler" || fail "rm on a full disk"
	load_full 900
	check_loads full.out "after rm"
	# From outside.
	dd if=/dev/zero of="${TMP:?}/full/filler" bs=64k 2>/dev/null || :
	load_full 1400 refusals
	check_loads full.out "full from outside"
	"$CAPAS" umount "$MNT" || fail "umount on a full disk"
	"$CAPAS" mount --rw --top full acked "$MNT" || fail "mount on a full disk"
	check_loads full.out "mounted again on a full disk"
	rm "${TMP:?}/full/filler"
	load_full 1700
	check_loads full.out "after the filler is gone"
	umount_top
	mount_top full acked
	check_loads full.out "mounted again"
	umount_top
}

part_errors() {
	echo "- the disk has errors"
	export CAPAS_ROOT=${TMP:?}/store
	import
	mount_top errors acked
	load_errors() { # STEPS [refusals]
		"$acked" load "$MNT/w0" "${TMP:?}/errors" "$SEED" "$@"
	}
	load_errors 300 || fail "load"
	umount_top
	dir=$(top_dir errors)
	# broken WHEN CALLS PATH...: these calls on these files fail with EIO, at times
	broken() {
		local when=$1 calls=$2 paths=() path
		shift 2
		for path; do paths+=(-P "$path"); done
		serve errors strace -f -qq -o /dev/null "${paths[@]}" -e "trace=$calls" \
			-e "inject=$calls:error=EIO:when=$when"
		load_errors $((steps += 300)) refusals | tee "${TMP:?}/refusals" || fail "load with $calls failing"
		grep -qv ' 0 refused' "${TMP:?}/refusals" || fail "no $calls ever failed"
		"$acked" check "$MNT/w0" "${TMP:?}/errors" "$SEED" || fail "$calls failing: SEED=$SEED"
		"$CAPAS" umount "$MNT" || umount -l "$MNT"
		end_driver
		mount_top errors acked
		"$acked" check "$MNT/w0" "${TMP:?}/errors" "$SEED" || fail "after $calls failed: SEED=$SEED"
		load_errors $((steps += 50)) || fail "the mount after errors"
		umount_top
	}
	steps=300
	broken 10+7 write,pwrite64,writev,pwritev,pwritev2 "$dir/log"
	mapfile -t data < <(find "$dir/data" -type f | head -50)
	[ ${#data[@]} -gt 0 ] || fail "no content lies beside the log"
	broken 1+3 write,pwrite64,writev,pwritev,pwritev2 "${data[@]}"
}

part_damage() {
	echo "- the log is damaged"
	export CAPAS_ROOT=${TMP:?}/store
	import
	# damage TOP HOW: 200 steps, an unmount, 200 more; damage among the latter
	damage() {
		local top=$1 how=$2 out=${TMP:?}/$1.out dir found
		mount_top "$top" acked
		"$acked" load "$MNT/w0" "$out" "$SEED" 200 >/dev/null || fail "load"
		umount_top
		dir=$(top_dir "$top")
		cp "$dir/log" "${TMP:?}/before"
		serve "$top"
		"$acked" load "$MNT/w0" "$out" "$SEED" 400 >/dev/null || fail "load"
		kill_driver
		python3 - "$dir/log" "${TMP:?}/before" "$how" <<'P' || fail "damaging"
import os, sys
path, before, how = sys.argv[1:]
size = os.path.getsize(before)
with open(path, "r+b") as f:
    data = f.read()
    end = len(data.rstrip(b"\0"))
    at = size + (end - size) // 2
    assert end > size + 1000, (end, size)
    f.seek(at)
    if how == "flip":
        f.write(bytes([data[at] ^ 0x40]))
    elif how == "cut":
        f.truncate(at)
    elif how == "zeros":
        f.write(bytes(4096))
    elif how == "garbage":
        f.seek(len(data)) # zeros at the end may be the last record's
        f.write(os.urandom(5000))
P
		"$CAPAS" mount --rw --top "$top" acked "$MNT" 2>"${TMP:?}/said" || fail "$how: mount: $(cat "${TMP:?}/said")"
		found=$("$acked" prefix "$MNT/w0" "$out" "$SEED") || fail "$how: what is there never was"
		echo "$how: $found of 400 steps; $(cat "${TMP:?}/said")"
		[ -s "${TMP:?}/said" ] || fail "$how: the user is not told"
		if [ "$how" = garbage ]; then
			[ "$found" = 400 ] || fail "$how: $found steps"
		else
			[ "$found" -ge 200 ] && [ "$found" -lt 400 ] || fail "$how: $found steps"
		fi
		# It goes on from there.
		echo on >"$MNT/on" || fail "$how: writing"
		umount_top
		mount_top "$top" acked
		[ "$(cat "$MNT/on")" = on ] || fail "$how: a write after the damage"
		umount_top
	}
	damage flipped flip
	damage cut cut
	damage zeroed zeros
	damage garbage garbage
	# A header that is none is refused, and nothing is written.
	dir=$(top_dir garbage)
	printf 'X' | dd of="$dir/log" bs=1 seek=2 conv=notrunc 2>/dev/null
	sum=$(sha256sum <"$dir/log")
	refuses 1 "garbage" "$CAPAS" mount --rw --top garbage acked "$MNT"
	[ "$sum" = "$(sha256sum <"$dir/log")" ] || fail "a log that is none was written"
}

# Everything that stress-ng does to a filesystem, at once, and nobody knows what it had
# done: but the top opens, all of it can be read, twice it is the same, and who knows what
# he wrote finds it.
part_stress() {
	command -v stress-ng >/dev/null || {
		echo "- no stress-ng: left out"
		return
	}
	echo "- kill -9 under stress-ng"
	local without=bind-mount,binderfs,procfs,fanotify pid
	export CAPAS_ROOT=${TMP:?}/store
	import
	everything() { (cd "$MNT" && find . -printf '%p %y %m %U:%G %n %T@ %l\n' -type f -readable -exec sha256sum {} + 2>&1 | sort); }
	for round in $(seq "${ROUNDS:-2}"); do
		serve stressed
		mkdir -p "$MNT/stress"
		# It may hang on what the dead driver had not answered: never wait for ever.
		timeout -k 1 20 stress-ng --class filesystem --all 1 --exclude "$without" --temp-path "$MNT/stress" \
			--timeout 10s --hdd-bytes 4M --fallocate-bytes 4M --dirmany-bytes 1M \
			>"${TMP:?}/stress.out" 2>&1 &
		pid=$!
		start_loads load stressed
		sleep 3
		kill_driver
		end_loads
		wait "$pid" || : # its files are gone
		mount_top stressed acked
		check_loads stressed "stressed, round $round"
		everything >"${TMP:?}/all.1"
		! grep -q 'Input/output error' "${TMP:?}/all.1" || fail "round $round: $(grep 'Input/output' "${TMP:?}/all.1" | head -3)"
		[ "$(wc -l <"${TMP:?}/all.1")" -gt 50 ] || fail "stress-ng left nothing: $(tail -3 "${TMP:?}/stress.out")"
		umount_top
		mount_top stressed acked
		everything | diff "${TMP:?}/all.1" - || fail "round $round: mounted again it is something else"
		chattr -R -ia "$MNT/stress" 2>/dev/null || :
		rm -rf "${MNT:?}/stress" || fail "round $round: rm -rf"
		umount_top
	done
	[ "$(steps_of stressed)" -gt 50 ] || fail "the loads did next to nothing"
}

for part in ${PARTS:-kill power both space full errors damage stress}; do
	"part_$part"
done
echo ok
