#!/bin/bash
# Includes go down only, and each outside library is seen from its own room alone.
set -u
cd "$SRC" || exit 1
bad=0

complain() {
	echo "floors: $1"
	bad=1
}

# check WHAT PATTERN FILES...: no file may include PATTERN
none() {
	local what=$1 pattern=$2
	shift 2
	local hits
	hits=$(grep -nE "^#include [<\"]$pattern" "$@" /dev/null)
	[ -z "$hits" ] || complain "$what:
$hits"
}

mapfile -t base < <(find store/base -name '*.[ch]')
mapfile -t store < <(find store -name '*.[ch]')
mapfile -t fs < <(find fs -name '*.[ch]')
mapfile -t all < <(find store fs tools -name '*.[ch]')
[ ${#all[@]} -gt 20 ] || complain "too few sources found: is SRC right?"

none "store/base includes something above it" '(store/[a-z_]+\.h|store/(archive|codec|index|tar)/|fs/|tools/)' "${base[@]}"
none "store includes something above it" '(fs|tools)/' "${store[@]}"
none "fs includes something above it" 'tools/' "${fs[@]}"

outside() {
	local what=$1 pattern=$2 allowed=$3
	mapfile -t rest < <(printf '%s\n' "${all[@]}" | grep -vE "^($allowed)")
	none "$what outside $allowed" "$pattern" "${rest[@]}"
}

outside libfuse '(fuse|fuse3/)' 'fs/'
outside libarchive 'archive(_entry)?\.h' 'store/archive/'
outside OpenSSL 'openssl/' 'store/digest\.c'
outside libcurl 'curl/' 'store/registry/'
outside libisal 'isa-l' 'store/codec/'
outside jansson 'jansson\.h' 'store/|tools/document\.c'
outside libseccomp 'seccomp\.h' 'tools/run/'
outside libcap 'sys/capability\.h' 'tools/run/'

# Of two functions of one name in two libraries the linker quietly takes either.
if command -v nm >/dev/null && ls "${CAPAS%/*}"/libcapas_*.a >/dev/null 2>&1; then
	twice=$(nm -g --defined-only "${CAPAS%/*}"/libcapas_*.a 2>/dev/null |
		awk 'NF == 3 && $3 ~ /^cps_/ {print $3}' | sort | uniq -d)
	[ -z "$twice" ] || complain "defined twice: $twice"
fi

exit $bad
