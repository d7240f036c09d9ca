#!/bin/bash
# Hostile roots and programs in the sandbox: whatever they try, nothing of the machine's
# changes. As root, and as an ordinary user in a user namespace.
set -eu
# In a mount namespace of its own, where nobody else mounts.
[ -n "${PRIVATE-}" ] || PRIVATE=1 exec unshare -m --propagation private bash "$0"
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-sandbox.sh"
mkdir -p "${TMP:?}/vol"
echo volume >"${TMP:?}/vol/it"

# ---- folders that the sandbox mounts on ----
spoiled_folders() {
	local name
	for name in dev proc sys; do
		fresh
		ln -s "$MARK" "$R/$name"
		probe 125 "is a link" "$R" true
		fresh
		echo file >"$R/$name"
		probe 125 "not a folder" "$R" true
		fresh
		ln -s etc "$R/$name"
		probe 125 "is a link" "$R" true
	done
	fresh
	mkdir -p "$R/dev/pts"
	ln -s "$MARK/file" "$R/dev/null"
	ln -s "$MARK" "$R/dev/shm"
	probe 0 "1:3" "$R" sh -c 'stat -c %t:%T /dev/null; echo x >/dev/null; touch /dev/shm/x'
	fresh
	mkdir "$R/proc"
	ln -s "$MARK" "$R/proc/self"
	ln -s "$MARK/file" "$R/proc/kcore"
	probe 0 "" "$R" sh -c 'test -d /proc/self/fd && test ! -s /proc/kcore'
}

# ---- files of ours over what the root has ----
spoiled_files() {
	local files=(-d "nameserver 192.0.2.1" -h "192.0.2.2 somewhere") show='cat /etc/resolv.conf /etc/hosts'
	fresh
	rm -r "$R/etc"
	ln -s "$MARK" "$R/etc"
	probe 0 "192.0.2.2" "${files[@]}" "$R" sh -c "$show"
	fresh
	ln -s "$MARK/resolv.conf" "$R/etc/resolv.conf"
	ln -s "../../../../../../../../..$MARK/hosts" "$R/etc/hosts"
	probe 0 "192.0.2.1" "${files[@]}" "$R" sh -c "$show; echo more >>/etc/resolv.conf; echo more >>/etc/hosts"
	fresh
	ln -s ../run/systemd/resolve/stub-resolv.conf "$R/etc/resolv.conf"
	probe 0 "192.0.2.1" "${files[@]}" "$R" sh -c "$show"
	[ -f "$R/run/systemd/resolve/stub-resolv.conf" ] || fail "a link to nothing was not followed inside"
	fresh
	mkdir "$R/etc/resolv.conf"
	probe 125 "Is a directory" "${files[@]}" "$R" true
	fresh
	ln -s resolv.conf "$R/etc/resolv.conf"
	probe 125 "Too many levels" "${files[@]}" "$R" true
	for name in /proc/self/fd/3 /proc/self/root/x /proc/1/cwd/x; do
		fresh
		ln -s $name "$R/etc/resolv.conf"
		probe 125 "Too many levels" "${files[@]}" "$R" true
	done
	fresh
	ln -s /proc/sys/kernel/core_pattern "$R/etc/resolv.conf"
	probe 125 "not permitted" "${files[@]}" "$R" true
	fresh
	mkfifo "$R/etc/hosts"
	probe 0 "192.0.2.2" "${files[@]}" "$R" sh -c "$show"
}

# ---- working folders ----
spoiled_workdirs() {
	local n
	fresh
	for n in 3 4 5 6 7 8 9 10; do
		probe 125 "Too many levels" -w /proc/self/fd/$n "$R" pwd
	done
	probe 125 "Too many levels" -w /proc/1/root "$R" pwd
	probe 125 "Too many levels" -w /proc/self/cwd "$R" pwd
	ln -s "$MARK" "$R/work"
	probe 0 "$MARK" -w /work "$R" pwd
	probe 0 "/new" -w /../../../new "$R" pwd
	probe 0 "755 " -w /new/one/two "$R" stat -c '%a %n' .
	probe 125 "Not a directory" -w /etc/passwd "$R" pwd
	probe 125 "Not a directory" -w /etc/passwd/x "$R" pwd
	probe 125 "" -w "/$(printf 'x%.0s' $(seq 300))" "$R" pwd
}

# ---- users ----
spoiled_users() {
	fresh
	root_probe 0 "uid=1000(ana) gid=1000(ana) groups=50(staff),100(users),1000(ana)" -u ana "$R" id
	probe 125 "unable to find user evil: no matching entries in passwd file" -u evil "$R" id
	probe 125 "unable to find group evil: no matching entries in group file" -u ana:evil "$R" id
	probe 125 "must be in range 0-2147483647" -u 4294967295 "$R" id
	probe 125 "unable to find user -1" -u -1 "$R" id
	rm "$R/etc/passwd"
	ln -s "$MARK/passwd" "$R/etc/passwd"
	probe 125 "unable to find user evil" -u evil "$R" id
	fresh
	rm "$R/etc/passwd"
	mkfifo "$R/etc/passwd"
	probe 125 "is no file" -u ana "$R" id
	fresh
	rm "$R/etc/group"
	mkfifo "$R/etc/group"
	probe 125 "is no file" -u ana "$R" id
	fresh
	rm "$R/etc/passwd"
	ln -s /dev/zero "$R/etc/passwd"
	probe 125 "is no file" -u ana "$R" id
	rm "$R/etc/passwd"
	ln -s /proc/self/environ "$R/etc/passwd"
	probe 125 "unable to find user ana" -u ana "$R" id
	rm "$R/etc/passwd"
	mkdir "$R/etc/passwd"
	probe 125 "is no file" -u ana "$R" id
	fresh
	truncate -s 2M "$R/etc/passwd"
	probe 125 "File too large" -u ana "$R" id
	fresh
	printf 'odd\nodd:\nodd:x\nodd:x:0\nodd:x::0\nodd:x:-0:0\nodd:x:0x0:0\n#odd:x:0:0\n' >"$R/etc/passwd"
	printf 'odd\0:x:0:0\n%070000d:x:0:0\nodd:x:99999999999999999999:0' 0 >>"$R/etc/passwd"
	probe 125 "unable to find user odd" -u odd "$R" id
}

# ---- volumes ----
spoiled_volumes() {
	local vol=$TMP/vol path
	fresh
	chown -R "$OWNER:$OWNER" "${vol:?}"
	probe 0 "volume" -v "$vol:/../../..$MARK/sub" "$R" sh -c "cat $MARK/sub/it; touch $MARK/sub/new"
	fresh
	ln -s "$MARK" "$R/link"
	probe 0 "volume" -v "$vol:/link/sub" "$R" cat /link/sub/it
	fresh
	ln -s "../../../../../..$MARK/sub" "$R/link"
	probe 0 "volume" -v "$vol:/link" "$R" cat /link/it
	fresh
	ln -s / "$R/link"
	for path in / /. /.. /a/../.. /link; do
		probe 125 "mount on" -v "$vol:$path" "$R" true
	done
	for path in /proc /proc/sys /proc/self /sys /sys/kernel /proc/1/root /proc/new; do
		probe 125 "mount on" -v "$vol:$path" "$R" true
	done
	ln -s /proc "$R/plink"
	probe 125 "mount on" -v "$vol:/plink" "$R" true
	probe 125 "mount on" -T /plink/sys "$R" true
	probe 125 "Not a directory" -v "$vol:/etc/passwd" "$R" true
	probe 125 "Is a directory" -v "$vol/it:/etc" "$R" true
	probe 0 "volume" -v "$vol/it:/etc/passwd" "$R" cat /etc/passwd
	probe 0 "volume" -v "$vol/it:/made/for/it" "$R" cat /made/for/it
	probe 1 "Read-only" -v "$vol:/v:ro" "$R" touch /v/x
	probe 0 "" -v "$vol:/v" "$R" sh -c 'touch /v/x && test -e /v/it'
	probe 125 "option 'bad=1'" -T /t:bad=1 "$R" true
	probe 0 "noexec" -T "/t:size=1m,mode=700" "$R" sh -c 'grep " /t " /proc/mounts'
	# A tmpfs on top of what lies in a volume, shorter paths first.
	probe 0 "volume" -T /v -v "$vol:/v/deep" "$R" cat /v/deep/it
}

# ---- what the kernel shows ----
kernel_views() {
	local name
	fresh
	probe 0 "" "$R" sh -c 'test ! -s /proc/kcore && test ! -s /proc/keys && test ! -s /proc/timer_list'
	probe 0 "1:3" "$R" stat -c %t:%T /proc/keys
	probe 0 "" "$R" sh -c 'test -z "$(ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : )"'
	for name in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/swappiness \
		/proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run; do
		# What is there already: a broken sandbox shall harm nobody.
		probe 1 "$name" "$R" sh -c "value=\$(cat $name 2>/dev/null); echo \${value:-0} >$name"
	done
	probe 1 "" "$R" mount -t proc proc /tmp
	probe 1 "" "$R" umount /proc/keys
	probe 1 "" "$R" mount -o remount,rw /proc/sys
	probe 1 "denied" "$R" mount -o remount,bind,dev / /
	probe 0 "" "$R" sh -c 'test -z "$(find /sys/fs/cgroup -writable 2>/dev/null | grep -v "^/sys/fs/cgroup$")" || ! touch /sys/fs/cgroup/x'
	probe 1 "Read-only" -R "$R" touch /x
	probe 0 "" -R -v "$TMP/vol:/v" "$R" sh -c 'touch /dev/shm/x && echo x >/v/y && echo >/dev/null'
}

# ---- what a program tries ----
hostile_programs() {
	fresh
	probe 0 "43 denied" "$R" probe denied
	root_probe 0 "allowed" "$R" probe allowed
	probe 0 "inside" "$R" probe chroot "$MARK"
	probe 0 "closed" "$R" probe exe
	exec 7<"$MARK/file" 8>>"$TMP/other" 9<"$MARK"
	probe 0 "three" "$R" probe fds
	probe 0 "three" -v "$TMP/vol:/v" -X "probe fds" "$R" sleep 100
	probe 0 "init has none" -x "ls -l /proc/\$INIT/fd | grep -q $MARK || echo init has none" "$R" sleep 0.1
	exec 7<&- 8>&- 9<&-
	probe 0 "43 denied" -X "probe denied" "$R" sleep 100
	probe 0 "closed" -X "probe exe" "$R" sleep 100
	# The program is whatever started it: then its interpreter is.
	probe 127 "" "$R" /proc/self/exe
	probe 127 "" -X /proc/self/exe "$R" sleep 100
	printf '#!/proc/self/exe\n' >"$R/script"
	chmod 755 "$R/script"
	probe 127 "" "$R" /script
	probe 127 "" "$R" /script /bin/sh
	probe 127 "" -X /script "$R" sleep 100
	ln -s /proc/self/exe "$R/link"
	probe 127 "" "$R" /link
	probe 127 "executable file not found in \$PATH" "$R" nothing
	probe 127 "No such file" "$R" /bin/nothing
	probe 126 "Permission denied" "$R" /etc
	probe 126 "Permission denied" "$R" /etc/passwd
	echo text >"$R/text"
	chmod 755 "$R/text"
	probe 126 "Exec format error" "$R" /text
	HOST_SECRET=secret probe 1 "" -e A=b "$R" sh -c 'env | grep SECRET'
	root_probe 0 "HOME=/home/ana" -u 1000 "$R" env
	probe 0 "0022" "$R" sh -c umask
	trap '' PIPE QUIT
	probe 0 "SigIgn:	0000000000000000" "$R" grep SigIgn /proc/self/status
	trap - PIPE QUIT
	probe 0 "CapEff:	00000000a80425fb" "$R" grep CapEff /proc/self/status
	root_probe 0 "CapBnd:	00000000a80425fb" -u 1000 "$R" grep CapBnd /proc/self/status
	root_probe 0 "CapPrm:	0000000000000000" -u 1000 "$R" grep CapPrm /proc/self/status
	probe 0 "NoNewPrivs:	0" "$R" grep NoNew /proc/self/status
	probe 0 "capas-test" -H capas-test "$R" hostname
	probe 0 "capas-test" -H capas-test -h "1.2.3.4 x" "$R" cat /etc/hostname
	probe 0 "/dev/pts/0" -t "$R" sh -c 'tty; echo here >/dev/console'
	probe 0 "/dev/pts/1" -t -X tty "$R" sleep 100
}

# ---- device nodes, set-id, owners ----
privileges() {
	local disk
	disk=$(stat -c '%Hd %Ld' /)
	fresh
	mknod "$R/disk" b ${disk% *} ${disk#* }
	mknod "$R/mem" c 1 1
	mknod "$TMP/vol/mem" c 1 1
	probe 1 "Permission denied" "$R" head -c 1 /disk
	probe 1 "Permission denied" "$R" head -c 1 /mem
	probe 1 "Permission denied" -v "$TMP/vol:/v" "$R" head -c 1 /v/mem
	probe 1 "Permission denied" -T /t:dev,exec "$R" sh -c 'mknod /t/mem c 1 1 && head -c 1 /t/mem'
	for dir in / /dev /dev/shm /tmp; do
		probe 1 "Permission denied" "$R" sh -c "mknod $dir/m c 1 1 && head -c 1 $dir/m"
	done
	probe 0 "" "$R" sh -c 'chmod 600 /dev/null && chown 1:1 /dev/zero && chmod 0 /dev/tty'
	cp "$R/bin/probe" "$R/suid"
	chmod 4755 "$R/suid"
	root_probe 0 "CapEff:	00000000a80425fb" -u 1000 "$R" /suid status CapEff
	if command -v setcap >/dev/null && setcap cap_sys_admin+ep "$R/suid" 2>/dev/null; then
		probe 126 "not permitted" -u 1000 "$R" /suid status Cap
		setcap cap_sys_admin,cap_chown+p "$R/suid"
		probe 0 "CapPrm:	0000000000000001" -u 1000 "$R" /suid status CapPrm
	fi
	DRIVER=(setpriv --groups 4,27)
	root_probe 0 "groups=1000" -u 1000:1000 "$R" id
	DRIVER=()
}

# ---- living and dying ----
gone() {
	local i
	for i in $(seq 100); do
		pgrep -f "$1" >/dev/null || return 0
		sleep 0.05
	done
	return 1
}
lives() {
	fresh
	probe 42 "" -s 15 "$R" sh -c 'trap "exit 42" TERM; echo ready; while :; do sleep 0.05; done'
	probe 143 "" -s 15 "$R" sh -c 'echo ready; exec sleep 100'
	probe 137 "" -s 9 "$R" sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
	probe 134 "" "$R" sh -c 'kill -ABRT $$'
	probe 7 "" "$R" sh -c 'exit 7'
	# Orphans are buried, whatever outlives the program is not.
	probe 0 "none" "$R" sh -c '(sleep 0.1 &); (sleep 0.1 &); sleep 0.5; ps -o stat | grep Z || echo none'
	probe 0 "" "$R" sh -c "sleep 98761.$$ & exit 0"
	gone "sleep 98761.$$" || fail "a process outlived its sandbox"
	# The program cannot end or signal what keeps it.
	probe 0 "alive" "$R" sh -c 'kill -9 1; kill -STOP 1; sleep 0.1; echo alive'
	"${DRIVER[@]}" "$MARK/run" "${OPTIONS[@]}" "$R" sleep 98762.$$ </dev/null &
	local driver=$!
	for _ in $(seq 100); do
		! pgrep -f "^sleep 98762.$$" >/dev/null || break
		sleep 0.05
	done
	pgrep -f "^sleep 98762.$$" >/dev/null || fail "the program did not start"
	kill -KILL $driver
	wait $driver 2>/dev/null || true
	gone "^sleep 98762.$$" || fail "the program outlived who started it"
	PROBES=$((PROBES + 1))
}

# The same folders, links and users when runc or crun mounts them.
spoiled_for_runtimes() {
	local files=(-d "nameserver 192.0.2.1" -h "192.0.2.2 somewhere") show='cat /etc/resolv.conf /etc/hosts' path
	spoiled_folders
	fresh
	rm "$R/etc/passwd"
	ln -s "$MARK/passwd" "$R/etc/passwd"
	probe 125 "unable to find user evil" -u evil "$R" id
	rm "$R/etc/passwd"
	mkfifo "$R/etc/passwd"
	probe 125 "is no file" -u ana "$R" id
	fresh
	probe 0 "uid=1000(ana) gid=1000(ana) groups=50(staff),100(users),1000(ana)" -u ana "$R" id
	rm -r "$R/etc"
	ln -s "$MARK" "$R/etc"
	probe 0 "192.0.2.2" "${files[@]}" "$R" sh -c "$show"
	fresh
	ln -s "$MARK/resolv.conf" "$R/etc/resolv.conf"
	ln -s "../../../../../../../../..$MARK/hosts" "$R/etc/hosts"
	probe 0 "192.0.2.1" "${files[@]}" "$R" sh -c "$show"
	fresh
	ln -s /proc/self/fd/3 "$R/etc/resolv.conf"
	probe 125 "not permitted" "${files[@]}" "$R" true
	fresh
	ln -s /proc/self/fd/7 "$R/work"
	for path in /work /proc/self/fd/3 /proc/self/fd/7 /proc/1/root /proc/self/cwd; do
		probe 125 "not permitted" -w $path "$R" pwd
	done
	rm "$R/work"
	ln -s "$MARK" "$R/work"
	probe 0 "$MARK" -w /work "$R" pwd
	ln -s "$MARK" "$R/link"
	probe 0 "volume" -v "$TMP/vol:/link/sub" "$R" cat /link/sub/it
	for path in / /.. /proc /proc/sys /sys/kernel /dev/null; do
		probe 125 "mount on" -v "$TMP/vol:$path" "$R" true
	done
	probe 7 "uid=0" "$R" sh -c "id; exit 7"
	probe 0 "/dev/pts/" -t "$R" tty
	probe 42 "" -s 15 "$R" sh -c 'trap "exit 42" TERM; echo ready; while :; do sleep 0.05; done'
	probe 137 "" -s 9 "$R" sh -c 'echo ready; sleep 100'
	fresh
	probe 0 "inside" "$R" probe chroot "$MARK"
	probe 0 "CapBnd:	00000000a80425fb" "$R" grep CapBnd /proc/self/status
	probe 0 "uid=0" -X id "$R" sleep 100
	[ -z "$(ls -A "$TMP/bundle")" ] || fail "left in the bundle: $(ls "$TMP/bundle")"
}

# PARTS: some of it, while one works on it
ALL="spoiled_folders spoiled_files spoiled_workdirs spoiled_users spoiled_volumes kernel_views
	hostile_programs privileges lives"
for part in ${PARTS:-$ALL}; do
	$part
done

mkdir -p "${TMP:?}/bundle"
for runtime in ${RUNTIMES-runc crun}; do
	command -v $runtime >/dev/null || continue
	OPTIONS=(-o $runtime -b "$TMP/bundle")
	spoiled_for_runtimes
done
OPTIONS=()

# The same for somebody who is nobody outside, and root of a user namespace inside.
if [ -z "${PARTS-}" ] && unshare -Urm true 2>/dev/null && OWNER=$(id -u nobody); then
	DRIVER=(setpriv --reuid "$OWNER" --regid "$OWNER" --clear-groups)
	OPTIONS=(-U)
	for part in ${USER_PARTS:-${ALL/privileges/}}; do
		$part
	done
fi
[ -n "${PARTS-}" ] || [ $PROBES -ge 40 ] || fail "only $PROBES probes"
echo "ok: $PROBES probes"
