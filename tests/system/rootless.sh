#!/bin/bash
# An ordinary user's containers: all verbs, in a user namespace of his own.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
need unshare setpriv
unshare -Ur true 2>/dev/null || skip "no user namespaces"
small_image small
"$CAPAS" rmi small >/dev/null
chmod 0755 "$TMP"
cp "$CAPAS" "$TMP/capas"
USER_ID=$(id -u nobody) || skip "no user nobody"
mkdir -m 0700 "$TMP/home"
chown "$USER_ID:$USER_ID" "$TMP/home"
cat >"$TMP/inside" <<'S'
set -eu
unset CAPAS_ROOT
fail() { echo "FAIL: $*" >&2; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
capas=$TMP/capas
cd "$HOME"
trap 'for c in $("$capas" ps -aq); do "$capas" rm -f "$c" >/dev/null; done' EXIT
"$capas" import "$TMP/small.tar" small >/dev/null || fail import
is "root inside" "$("$capas" run --rm small sh -c 'id -u; echo mine >/x; stat -c %u:%a /x')" $'0\n0:644'
rc=0
"$capas" run --rm small sh -c 'exit 9' || rc=$?
is status $rc 9
mkdir vol
"$capas" run --rm -v "$HOME/vol:/v" small sh -c 'echo in >/v/x'
is "a volume's owner" "$(cat vol/x) $(stat -c %u vol/x)" "in $(id -u)"
is "a named volume" "$("$capas" run --rm -v data:/d small sh -c 'echo kept >/d/x') $("$capas" run --rm -v data:/d small cat /d/x)" " kept"
"$capas" run -d --name bg small sh -c 'echo kept >/file; sleep 1000' >/dev/null
is exec "$("$capas" exec bg sh -c 'id -u; cat /file')" $'0\nkept'
echo local >local
"$capas" cp local bg:/copied || fail "cp into"
"$capas" cp bg:/file out && is "cp out of" "$(cat out)" kept
is "what was copied" "$("$capas" exec bg cat /copied)" local
"$capas" diff bg | grep -qx 'A /file' || fail diff
"$capas" commit bg done >/dev/null || fail commit
is "the committed image" "$("$capas" run --rm done cat /copied)" local
"$capas" stop -t 0 bg >/dev/null
"$capas" cp local bg:/stopped || fail "cp into a stopped one"
"$capas" cp bg:/stopped - | tar -xOf - | grep -qx local || fail "cp out of a stopped one"
is start "$("$capas" start bg) $("$capas" exec bg cat /stopped)" "bg local"
"$capas" rm -f bg >/dev/null
# Owners of the image that this user has no numbers for stay as they are.
is "owners" "$("$capas" create --name idle small >/dev/null && "$capas" export idle | tar --numeric-owner -tvf - | awk '$6 ~ "etc/passwd$" {print $2}')" "0/0"
[ -z "$("$capas" ps -q)" ] || fail "something runs"
is fsck "$("$capas" fsck)" clean
S
cat >"$TMP/outer" <<'S'
set -eu
mkdir "$TMP/dev"
mount -t tmpfs -o dev tmpfs "$TMP/dev"
mknod -m 0666 "$TMP/dev/fuse" c 10 229
mount --bind "$TMP/dev/fuse" /dev/fuse
HOME=$TMP/home setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups timeout 120 bash "$TMP/inside"
# Root leaves nothing there that the user could not use, and runs nothing of the user's.
store=$TMP/home/.local/share/capas
for command in "run --rm small true" "ps -a" "tag small small:2" gc fsck; do
	if CAPAS_ROOT=$store "$TMP/capas" $command >"$TMP/said" 2>&1; then
		echo "FAIL: root's $command in a user's store" >&2
		exit 1
	fi
	grep -q "belongs to user $USER_ID" "$TMP/said" || { cat "$TMP/said" >&2; exit 1; }
done
[ -z "$(find "$store" -uid 0)" ] || { echo "FAIL: root's files in a user's store" >&2; exit 1; }
S
TMP=$TMP USER_ID=$USER_ID unshare -m --propagation private bash "$TMP/outer" || fail "as an ordinary user"
echo ok
