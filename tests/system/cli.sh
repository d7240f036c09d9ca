#!/bin/bash
# Help, usage errors, suggestions, and the text that people read.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
make_root

# ---- help ----
narrow() { # FILE WHAT: no line over 80 characters
	LC_ALL=C.UTF-8 awk -v c="$2" 'length($0) > 80 {print c ": too wide: " $0; bad = 1} END {exit bad}' "$1" || fail "width"
}
"$CAPAS" --help >"$TMP/help" 2>"$TMP/err" || fail "--help"
[ ! -s "$TMP/err" ] || fail "--help talks to stderr"
narrow "$TMP/help" capas
commands=$(awk '/^  [a-z]/ {print $1}' "$TMP/help")
[ "$(wc -w <<<"$commands")" -gt 15 ] || fail "--help lists too little"
for c in $commands; do
	"$CAPAS" "$c" --help >"$TMP/one" 2>"$TMP/err" || fail "$c --help"
	[ ! -s "$TMP/err" ] || fail "$c --help talks to stderr"
	grep -q "^Usage: capas $c" "$TMP/one" || fail "$c --help says something else"
	narrow "$TMP/one" "$c"
	"$CAPAS" help "$c" | cmp - "$TMP/one" || fail "help $c is not $c --help"
	case $c in
	run | exec) usage=125 ;; # 2 would be the program's
	*) usage=2 ;;
	esac
	refuses $usage "unknown option" "$CAPAS" "$c" --no-such-option
	refuses $usage "unknown option" "$CAPAS" "$c" -Z
done

# ---- wrong command lines ----
refuses 2 "did you mean 'mount'" "$CAPAS" moutn x y
refuses 2 "did you mean 'history'" "$CAPAS" help histroy
refuses 2 "is no command; see" "$CAPAS" qwertyuiop
refuses 2 "did you mean '--layers'" "$CAPAS" mount --layrs x y
refuses 2 "did you mean '--layers'" "$CAPAS" mount -layers x y
refuses 2 "did you mean '--no-trunc'" "$CAPAS" images --no-truc
refuses 2 "did you mean '-name'" "$CAPAS" find -nmae x y
refuses 2 "did you mean '--root'" "$CAPAS" --rot x images
refuses 2 "stands before the command" "$CAPAS" images --root x
refuses 2 "wants a value" "$CAPAS" --root
refuses 2 "wants a value" "$CAPAS" load -i
refuses 2 "takes no value" "$CAPAS" images --json=x
refuses 2 "wants SOURCE DIR" "$CAPAS" mount x
refuses 2 "does not want 'c'" "$CAPAS" tag a b c
refuses 2 "counted from 1" "$CAPAS" mount --layer 0 x /
refuses 2 "counted from 1" "$CAPAS" ls --layer 1x x
refuses 2 "only one of" "$CAPAS" mount --layers --layer 1 x /
refuses 2 "only one of" "$CAPAS" cat --upto 1 --layer 1 x:/y
refuses 2 "-size is a number" "$CAPAS" find -size 1x y
refuses 2 "-size is a number" "$CAPAS" find -size + y
refuses 2 "-type is one of" "$CAPAS" find -type x y
refuses 2 "is none of man" "$CAPAS" generate nothing
refuses 2 "--format is" "$CAPAS" save --format x y
refuses 2 "Usage" "$CAPAS"
refuses 1 "neither empty nor" "$CAPAS" --root /usr images
refuses 1 "no-such-file" "$CAPAS" import /no-such-file a
refuses 1 "no name for an image" "$CAPAS" import /dev/null 'Bad Name'
refuses 1 "it is empty" "$CAPAS" load -i /dev/null
refuses 1 "reads as an image ID" "$CAPAS" import "$TMP/root.tar" sha256:1234
refuses 1 "'no-such': no such image" "$CAPAS" save -o "$TMP/saved" no-such
mkdir "$TMP/locked"
"$CAPAS" --root "$TMP/locked" import "$TMP/root.tar" a >"$TMP/out" || fail "import"
rm -f "$TMP/locked/index.lock"
mkdir "$TMP/locked/index.lock"
refuses 1 "rmi: store '$TMP/locked': open 'index.lock'" "$CAPAS" --root "$TMP/locked" rmi a
[ ! -e "$TMP/saved" ] || fail "a save that failed left its file"

# ---- what is made of the table ----
"$CAPAS" generate man >"$TMP/capas.1"
grep -q '^.TH CAPAS 1' "$TMP/capas.1" || fail "man page"
for c in $commands; do
	grep -q "^.SS \"capas $c " "$TMP/capas.1" || fail "the man page lacks $c"
done
if command -v man >/dev/null; then
	LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$TMP/capas.1" 2>"$TMP/err" >/dev/null || fail man
	[ ! -s "$TMP/err" ] || fail "man complains: $(head -3 "$TMP/err")"
fi
"$CAPAS" generate bash >"$TMP/completion"
bash -n "$TMP/completion" || fail "bash completion"
completes() { # WORDS...: what bash would offer for the last of them
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _capas; printf "%s\n" "${COMPREPLY[@]}"' - "$TMP/completion" "$@"
}
[ "$(completes capas hist)" = history ] || fail "completion of a command"
[ "$(completes capas --root x hist)" = history ] || fail "completion behind --root"
[ "$(completes capas find -siz)" = -size ] || fail "completion of a test"
[ "$(completes capas cp --fol)" = --follow-link ] || fail "completion of an option"
for shell in zsh fish; do
	"$CAPAS" generate $shell >"$TMP/completion.$shell" || fail "$shell completion"
	! command -v $shell >/dev/null || $shell -n "$TMP/completion.$shell" || fail "$shell completion"
done

# ---- what docker prints ----
ago() { # SECONDS NAME OPTIONS...: an image of that age
	SOURCE_DATE_EPOCH=$(($(date +%s) - $1)) "$CAPAS" import "${@:3}" "$TMP/root.tar" "$2"
}
ago 200 neu:1 -m hola >/dev/null || fail import
ago $((15 * 86400)) docker.io/library/mitte:latest >/dev/null || fail import
old=$(ago $((3 * 365 * 86400)) alt:1) || fail import
"$CAPAS" images >"$TMP/out"
[ "$(head -1 "$TMP/out")" = "REPOSITORY   TAG       IMAGE ID       CREATED         SIZE" ] || fail "the head of images: $(head -1 "$TMP/out")"
[ "$(awk 'NR > 1 {print $1}' "$TMP/out" | tr '\n' ' ')" = "neu mitte alt " ] || fail "images is not sorted: $(cat "$TMP/out")"
grep -qE '^neu          1         [0-9a-f]{12}   3 minutes ago   1\.[0-9]+MB$' "$TMP/out" || fail "the row of images: $(cat "$TMP/out")"
grep -q ' 2 weeks ago ' "$TMP/out" || fail "weeks: $(cat "$TMP/out")"
grep -q ' 3 years ago ' "$TMP/out" || fail "years: $(cat "$TMP/out")"
! grep -q 'docker.io' "$TMP/out" || fail "docker.io/library/ is shown"
"$CAPAS" images 'docker.io/library/mitte' >"$TMP/out"
grep -q ^mitte "$TMP/out" || fail "a whole name does not find the short one"
[ "$("$CAPAS" images -q '[mn]*' | wc -l)" = 2 ] || fail "a pattern"
[ "$("$CAPAS" images -q neu:1 | wc -c)" = 13 ] || fail "-q is not a short ID"
[ "$("$CAPAS" images -q --no-trunc alt)" = "$old" ] || fail "-q --no-trunc is not the ID"
"$CAPAS" images --digests >"$TMP/out"
grep -qE '^neu +1 +sha256:[0-9a-f]{64} ' "$TMP/out" || fail --digests
"$CAPAS" tag neu:1 alt:1
"$CAPAS" images >"$TMP/out"
grep -qE '^<none> +<none> +[0-9a-f]{12} +3 years ago' "$TMP/out" || fail "an image without a name is not <none>"
"$CAPAS" history neu:1 >"$TMP/out"
[ "$(head -1 "$TMP/out" | tr -s ' ')" = "IMAGE CREATED CREATED BY SIZE COMMENT" ] || fail "the head of history"
grep -qE "^[0-9a-f]{12} +3 minutes ago +capas import .* +1\.[0-9]+MB +hola$" "$TMP/out" || fail "history: $(cat "$TMP/out")"
"$CAPAS" df >"$TMP/out"
grep -qE '^Images +3 +[0-9.]+[kM]B +0B$' "$TMP/out" || fail "df: $(cat "$TMP/out")"

# ---- IDs and their starts ----
hex=${old:7}
for id in "$old" "$hex" "${hex:0:12}" "${hex:0:4}" "sha256:${hex:0:5}"; do
	[ "$("$CAPAS" inspect "$id" | grep '"Id"' | cut -d'"' -f4)" = "$old" ] || fail "inspect $id"
done
refuses 1 "no such object" "$CAPAS" inspect "${hex:0:3}"
"$CAPAS" tag "${hex:0:6}" again:1 || fail "tag by the start of an ID"
[ "$("$CAPAS" rmi docker.io/library/again:1)" = "Untagged: again:1
Deleted: $old" ] || fail "rmi of the last name"
"$CAPAS" rmi mitte >"$TMP/out" || fail "rmi of a short name"
[ "$(head -1 "$TMP/out")" = "Untagged: mitte:latest" ] || fail "rmi of a short name"
id=$("$CAPAS" images -q neu:1)
refuses 1 "has 2 names" "$CAPAS" rmi "$id"
"$CAPAS" rmi -f "${id:0:7}" >"$TMP/out" || fail "rmi -f by the start of an ID"
grep -q "^Deleted: sha256:$id" "$TMP/out" || fail "rmi -f by the start of an ID"
[ "$("$CAPAS" images | wc -l)" = 1 ] || fail "images are left"
refuses 1 "'b': no such image" "$CAPAS" rmi b
[ "$("$CAPAS" rmi b c 2>&1 | wc -l)" = 2 ] || fail "rmi does not name both that are missing"

"$CAPAS" import "$TMP/root.tar" hola:1 >/dev/null
"$CAPAS" save hola:1 >"$TMP/saved.tar" || fail save
[ "$("$CAPAS" --root "$TMP/s2" load -i "$TMP/saved.tar")" = "Loaded image: hola:1" ] || fail "what load prints"
if command -v skopeo >/dev/null; then
	skopeo copy -q "docker-archive:$TMP/saved.tar:hola:1" "docker-archive:$TMP/sk.tar:docker.io/library/hola:2" || fail skopeo
	[ "$("$CAPAS" load -i "$TMP/sk.tar")" = "Loaded image: hola:2" ] || fail "load does not shorten the name"
fi

# ---- looking inside ----
[ "$("$CAPAS" find hola:1 -type f -size +292k | sort | tr '\n' ' ')" = "/deep/er/random /deep/hole " ] || fail "find -size +"
for size in 0 1 -1 +1 586 +585 -587 300000c -1M 1M +1M 293k 1w -2k; do
	[ "$("$CAPAS" find hola:1 -type f -size $size | sort)" = "$(cd "$TMP/root" && find . -type f -size $size | cut -c2- | sort)" ] || fail "find -size $size is not find(1)'s"
done
[ "$("$CAPAS" find hola:1 -layer 1 -type l)" = /bin/link ] || fail "find -layer"
refuses 1 "no layer 2" "$CAPAS" find hola:1 -layer 2
[ "$("$CAPAS" cat --upto 1 hola:1:/etc/greeting)" = hola ] || fail "cat --upto"
"$CAPAS" ls --upto 1 hola:1:/etc >"$TMP/out"
grep -qx greeting "$TMP/out" || fail "ls --upto"
refuses 1 "no layer 2" "$CAPAS" find --upto 2 hola:1
mkdir "$TMP/a:"
cp "$TMP/root.tar" "$TMP/a:/b.tar"
[ "$("$CAPAS" cat "tar:$TMP/a:/b.tar:/etc/greeting")" = hola ] || fail "a file with :/ in its name"

# ---- progress ----
slow() {
	head -c 200000 "$TMP/root.tar"
	sleep 1.3
	tail -c +200001 "$TMP/root.tar"
}
slow | "$CAPAS" import - slow:1 >"$TMP/out" 2>"$TMP/err" || fail "a slow import"
grep -qE '^import: .*: [0-9.]+[kM]B' "$TMP/err" || fail "no progress in plain lines: $(cat -v "$TMP/err")"
! grep -q $'\033' "$TMP/err" || fail "plain progress steers a terminal"
[ "$(wc -l <"$TMP/out")" = 1 ] || fail "progress on stdout"
slow | "$CAPAS" --quiet import - slow:1 2>"$TMP/err" >/dev/null || fail "a quiet import"
[ ! -s "$TMP/err" ] || fail "--quiet talks"
"$CAPAS" import "$TMP/root.tar" fast:1 2>"$TMP/err" >/dev/null || fail import
[ ! -s "$TMP/err" ] || fail "quick work talks"
# A terminal: TERM; what arrives goes to $TMP/tty.
on_terminal() {
	slow | env TERM="$1" python3 -c '
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.dup2(3, 0)
    os.execvp(sys.argv[1], sys.argv[1:])
try:
    while data := os.read(fd, 4096):
        sys.stdout.buffer.write(data)
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$CAPAS" import - slow:2 3<&0 >"$TMP/tty" || fail "import on a terminal"
}
if command -v python3 >/dev/null; then
	on_terminal xterm
	grep -q $'\r\033\[Kimport: ' "$TMP/tty" || fail "no line is drawn on a terminal: $(cat -v "$TMP/tty")"
	tail -c 100 "$TMP/tty" >"$TMP/out"
	grep -q $'\r\033\[Ksha256:' "$TMP/out" || fail "the line is not cleared: $(cat -v "$TMP/tty")"
	on_terminal dumb
	! grep -q $'\033' "$TMP/tty" || fail "a dumb terminal is steered"
fi
echo ok
