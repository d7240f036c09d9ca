set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
# gc --keep-storage and --filter: caches down to a size, what was used longest ago first;
# untagged images by age and label.
need_fuse
fast_tmp

make_root
gzip -k "$TMP/root.tar"
for n in 1 2 3; do
	mkdir -p "$TMP/r$n"
	head -c 3000000 /dev/urandom | base64 >"$TMP/r$n/file"
	tar -C "$TMP/r$n" -czf "$TMP/r$n.tar.gz" .
	"$CAPAS" import "$TMP/r$n.tar.gz" "image$n" >/dev/null || fail import
	"$CAPAS" mount "image$n" "$MNT" && cat "$MNT/file" >"$TMP/r$n.is" && "$CAPAS" umount "$MNT" || fail "mount"
done
derived() { find "$CAPAS_ROOT"/{index,seek,tree,span,kept} -type f -printf '%T@ %A@ %b %p\n'; }
bytes() { derived | awk '{n += $3 * 512} END {print n + 0}'; }
count() { derived | wc -l; }
[ "$(count)" -ge 9 ] || fail "too few derived files to test with: $(derived)"

# Nothing is removed that need not be.
before=$(derived | awk '{print $4}' | sort)
"$CAPAS" gc --keep-storage 10GB >/dev/null || fail gc
[ "$(derived | awk '{print $4}' | sort)" = "$before" ] || fail "files went though there is room"
"$CAPAS" gc --filter until=1h >/dev/null || fail "gc --filter until"
[ "$(derived | awk '{print $4}' | sort)" = "$before" ] || fail "files went that are in use"

# What is of image 1 was used longest ago, by a read or by being written; of 3 yesterday.
old=$(derived | sort -n | awk -v n="$(($(count) / 2))" 'NR <= n {print $4}')
touch -d '10 days ago' $old
"$CAPAS" gc --dry-run --filter until=9d --json >"$TMP/dry" || fail "gc --dry-run"
grep -q "\"DerivedDeleted\": $(echo "$old" | wc -l)\b" "$TMP/dry" || fail "dry run: $(cat "$TMP/dry")"
ls $old >/dev/null || fail "a dry run removed something"
half=$(($(bytes) * 3 / 4))
"$CAPAS" gc --keep-storage $half >/dev/null || fail "gc --keep-storage"
[ "$(bytes)" -le $half ] || fail "$(bytes) bytes are left, $half may be"
for f in $before; do
	case " $(echo $old) " in *" $f "*) ;; *) [ -e "$f" ] || fail "$f went before those that are older" ;; esac
done
"$CAPAS" gc --filter until=9d >/dev/null || fail "gc --filter until=9d"
for f in $old; do [ ! -e "$f" ] || fail "$f was not used for 10 days"; done

# All of it may go, also under a mount; what is asked for is made anew.
"$CAPAS" mount image1 "$MNT" || fail mount
"$CAPAS" gc --keep-storage 0 >/dev/null || fail "gc --keep-storage 0"
[ "$(count)" = 0 ] || fail "left: $(derived)"
cmp "$TMP/r1/file" "$MNT/file" || fail "the mount lost its content"
"$CAPAS" umount "$MNT"
for n in 1 2 3; do
	"$CAPAS" cat "image$n:/file" | cmp - "$TMP/r$n/file" || fail "image$n after gc"
done
"$CAPAS" fsck | grep -qx clean || fail fsck

# Untagged images, by label and by age.
untagged() { "$CAPAS" images | grep -c '^<none>' || true; }
for label in keep=yes drop=1 drop=2; do
	SOURCE_DATE_EPOCH=1000000000 "$CAPAS" import -c "LABEL $label" "$TMP/root.tar.gz" lost >/dev/null
	"$CAPAS" import "$TMP/r1.tar.gz" lost >/dev/null
done
"$CAPAS" rmi lost >/dev/null
n=$(untagged)
[ "$n" -ge 3 ] || fail "there are $n untagged images"
"$CAPAS" gc --untagged --filter label=nowhere >/dev/null && [ "$(untagged)" = "$n" ] || fail "label=nowhere"
"$CAPAS" gc --untagged --filter label=drop=1 >/dev/null && [ "$(untagged)" = $((n - 1)) ] || fail "label=drop=1"
"$CAPAS" gc --untagged --filter label!=keep --filter until=2001-01-01T00:00:00Z >/dev/null && [ "$(untagged)" = $((n - 1)) ] || fail "until is no condition"
"$CAPAS" gc --untagged --filter label=drop --filter until=24h >/dev/null && [ "$(untagged)" = $((n - 2)) ] || fail "label=drop, until=24h"
"$CAPAS" gc --untagged --filter label!=keep >/dev/null || fail "label!=keep"
[ "$(untagged)" = 1 ] || fail "label!=keep leaves $(untagged)"

refuses 2 "no size" "$CAPAS" gc --keep-storage many
refuses 2 "no size" "$CAPAS" gc --keep-storage -1
refuses 2 "no time" "$CAPAS" gc --filter until=tomorrow
refuses 2 "no filter" "$CAPAS" gc --filter dangling=true
refuses 2 "with --untagged" "$CAPAS" gc --filter label=x
"$CAPAS" fsck | grep -qx clean || fail "fsck at the end"
echo ok
