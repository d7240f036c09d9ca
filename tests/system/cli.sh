#!/bin/bash
# Help, usage errors and suggestions.
. "${SRC:?}/tests/system/lib.sh" || exit 1
"$CAPAS" --help >"$TMP/help" || fail "--help"
for c in $(awk '/^  [a-z]/ {print $1}' "$TMP/help"); do
	"$CAPAS" "$c" --help >"$TMP/one" || fail "$c --help"
	grep -q "^Usage: capas $c" "$TMP/one" || fail "$c --help says something else"
	awk -v c="$c" 'length($0) > 80 {print c ": too wide: " $0; bad = 1} END {exit bad}' "$TMP/one" || fail "width"
	refuses 2 "unknown option" "$CAPAS" "$c" --no-such-option
done
refuses 2 "did you mean 'mount'" "$CAPAS" moutn x y
refuses 2 "did you mean '--layers'" "$CAPAS" mount --layrs x y
refuses 2 "wants SOURCE DIR" "$CAPAS" mount x
refuses 2 "does not want 'c'" "$CAPAS" tag a b c
refuses 2 "counted from 1" "$CAPAS" mount --layer 0 x /
refuses 2 "only one of" "$CAPAS" mount --layers --layer 1 x /
refuses 2 "Usage" "$CAPAS"
refuses 1 "neither empty nor" "$CAPAS" --root /usr images
refuses 1 "no-such-file" "$CAPAS" import /no-such-file a
refuses 1 "no name for an image" "$CAPAS" import /dev/null 'Bad Name'
"$CAPAS" generate man | grep -q '^.TH CAPAS 1' || fail "man page"
"$CAPAS" generate bash | bash -n || fail "bash completion"
echo ok
