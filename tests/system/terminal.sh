#!/bin/bash
# A container's terminal, driven for real by tmux; and the session that this all is for,
# typed as it stands.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
need tmux
small_image small
T="tmux -S ${TMP:?}/tmux"
end_terminal() {
	$T kill-server 2>/dev/null || true
	end_containers
}
trap end_terminal EXIT
PATH=$(dirname "$CAPAS"):$PATH $T -f /dev/null new-session -d -x 100 -y 30 -e CAPAS_ROOT="$CAPAS_ROOT" "env PS1='host> ' sh"
screen() { $T capture-pane -p -S - | sed 's/ *$//'; }
typed() { $T send-keys -l -- "$1" && $T send-keys Enter; }
sees() { # PATTERN [SECONDS]: a line of the screen matches
	local end=$((SECONDS + ${2:-10}))
	while [ $SECONDS -lt $end ]; do
		if screen | grep -qE "$1"; then return 0; fi
		sleep 0.1
	done
	fail "the screen does not show '$1': $(screen | grep . | tail -15)"
}
fresh() { $T send-keys -R && $T clear-history; }
sees '^host>'

# ---- a shell ----
typed "capas run -it --name sh1 -e PS1='box> ' small sh"
sees '^box>'
typed 'tty; stty size; [ -t 0 ] && [ -t 1 ] && echo yes, a terminal'
sees '^/dev/(pts/0|console)'
sees '^30 100'
sees '^yes, a terminal'
# Another size of the window is another size inside.
$T resize-window -x 80 -y 20
sleep 0.3
typed 'stty size'
sees '^20 80'
# Keys, not signals: ctrl-c ends the program inside, not the container.
typed 'sleep 1000'
sleep 0.3
$T send-keys C-c
typed 'echo after $?'
sees '^after 130'
# Job control needs a controlling terminal.
typed 'sleep 1000 &'
typed 'jobs; kill %1; echo jobs done'
sees 'Running +sleep 1000'
# Detach, and attach again.
$T send-keys C-p C-q
sees '^host>'
is "it goes on" "$("$CAPAS" ps --filter name=sh1 -q | wc -l)" 1
fresh
typed 'capas attach sh1'
sleep 0.3
$T send-keys Enter
sees '^box>'
typed 'echo still here; exit 5'
sees '^still here'
typed 'echo status $?'
sees '^status 5'
typed 'stty -a | grep -o "[-]*icanon"; echo raw no more'
sees '^icanon'
# exec -t beside a running one, and a signal from outside.
"$CAPAS" run -d --name bg small sleep 1000 >/dev/null
fresh
typed "capas exec -it -e PS1='in> ' bg sh"
sees '^in>'
typed 'tty; stty size; exit 3'
sees '^/dev/pts/'
sees '^20 80'
typed 'echo status $?'
sees '^status 3'
"$CAPAS" rm -f bg sh1 >/dev/null

# ---- the session ----
DEBIAN=$SRC/build/fixture/debian
if [ ! -e "$DEBIAN/.complete" ]; then
	echo "no Debian image: the session is left out"
	echo ok
	exit 0
fi
"$CAPAS" --quiet mount "oci:$DEBIAN:base" "$MNT" || fail "mount the fixture"
tar -C "$MNT" --numeric-owner --exclude ./usr/share/doc --exclude ./usr/share/locale -cf "$TMP/debian.tar" . && "$CAPAS" umount "$MNT"
"$CAPAS" import "$TMP/debian.tar" debian:jessie >/dev/null || fail "import"
rm "$TMP/debian.tar"
fresh
typed 'capas run -it debian:jessie'
sees '^root@[0-9a-f]{12}:/#' 60
APT=
if timeout 5 bash -c '</dev/tcp/deb.debian.org/80' 2>/dev/null; then
	APT=1
	typed 'apt-get update && apt-get install -y git; echo apt $?'
	sees '^apt 0' 200
fi
typed 'echo worked >/root/work; exit'
sees '^host>' 30
typed 'capas ps -a'
sees '^[0-9a-f]{12} +debian:jessie +"/bin/bash" .*Exited \(0\)'
container=$("$CAPAS" ps -aq)
typed "capas commit $container osskr/debian:1.00"
sees '^sha256:[0-9a-f]{64}' 60
fresh
typed 'capas images'
sees '^osskr/debian +1.00 +[0-9a-f]{12}'
size() { "$CAPAS" images --json | python3 -c 'import json, sys; print([i["Size"] for i in json.load(sys.stdin) if i["Repository"] == sys.argv[1]][0])' "$1"; }
[ "$(size osskr/debian)" -gt "$(size debian)" ] || fail "the new image is not larger"
fresh
typed 'capas run -it osskr/debian:1.00'
sees '^root@[0-9a-f]{12}:/#' 30
typed 'cat /root/work'
sees '^worked'
[ -z "$APT" ] || { typed 'git --version' && sees '^git version'; }
typed 'exit'
sees '^host>'
typed 'capas run osskr/debian:1.00 echo "hola en tiempo real"'
sees '^hola en tiempo real'
echo ok
