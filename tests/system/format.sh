#!/bin/bash
# --format of ps, images, history and inspect; what ps picks and how large it says it is.
set -eu
. "${SRC:?}/tests/system/lib.sh" || exit 1
. "${SRC:?}/tests/system/lib-run.sh"
need_fuse
small_image small -c 'ENV A=b' -c 'LABEL kind=test' -c 'CMD ["sleep", "1000"]'
id=$("$CAPAS" run -d --name work -l color=blue -v "${TMP:?}:/host:ro" small)
"$CAPAS" run --name done -l color=red small sh -c 'head -c 3000000 /dev/urandom >/data; exit 3' || true
"$CAPAS" create --name waits small >/dev/null

# ---- inspect ----
is status "$("$CAPAS" inspect -f '{{.State.Status}} {{.State.ExitCode}}' work done waits)" $'running 0\nexited 3\ncreated 0'
is json "$("$CAPAS" inspect --format '{{json .Config.Env}}' work)" '["A=b"]'
is index "$("$CAPAS" inspect -f '{{index .Config.Labels "color"}}/{{.Config.Labels.kind}}' work)" blue/test
is mounts "$("$CAPAS" inspect -f '{{(index .Mounts 0).Destination}}' work)" /host
is image "$("$CAPAS" inspect -f '{{.Config.User}}{{json .Config.Entrypoint}}{{.Os}}' small)" nulllinux
"$CAPAS" inspect -f json work | python3 -c 'import json, sys; assert json.load(sys.stdin)["Name"] == "/work"' || fail "-f json"
refuses 1 "no field 'Nothing'" "$CAPAS" inspect -f '{{.State.Nothing}}' work
refuses 1 "'range' is not known" "$CAPAS" inspect -f '{{range .Mounts}}{{end}}' work
refuses 1 "'nosuch': no such object" "$CAPAS" inspect -f '{{.Id}}' nosuch
refuses 1 "no such image" "$CAPAS" inspect --type image work
refuses 1 "no such container" "$CAPAS" inspect --type container small
refuses 2 "--type is image or container" "$CAPAS" inspect --type volume small
is "what is there beside what is not" "$("$CAPAS" inspect -f '{{.Name}}' nosuch done 2>/dev/null)" /done

is "ID for Id" "$("$CAPAS" inspect -f '{{.ID}}' work)" "$id"
for command in "ps -a" images "history small"; do
	for format in "" table; do
		is "$command --format '$format'" "$("$CAPAS" $command --format "$format" | head -1)" "$("$CAPAS" $command | head -1)"
	done
done

# ---- ps ----
is fields "$("$CAPAS" ps --format '{{.Names}}\t{{.Image}}\t{{.State}}\t{{.Command}}')" $'work\tsmall\trunning\t"sleep 1000"'
is "the ID" "$("$CAPAS" ps --no-trunc --format '{{.ID}}')" "$id"
is labels "$("$CAPAS" ps -a --filter label=color --format '{{.Label "color"}} {{.Labels}}')" $'red kind=test,color=red\nblue kind=test,color=blue'
is filters "$("$CAPAS" ps -a --filter status=exited --filter name=don --filter exited=3 --format '{{.Names}}')" done
is ancestor "$("$CAPAS" ps -a -f ancestor=small -q | wc -l)" 3
is "-l" "$("$CAPAS" ps -l --format '{{.Names}}')" waits
is "-n" "$("$CAPAS" ps -n 2 --format '{{.Names}}')" $'waits\ndone'
is table "$("$CAPAS" ps -a --format 'table {{.Names}}\t{{.State}}')" $'NAMES     STATE\nwaits     created\ndone      exited\nwork      running'
"$CAPAS" ps --format json | python3 -c 'import json, sys; c = json.loads(sys.stdin.read()); assert c["Names"] == "work" and c["Mounts"], c' || fail "ps --format json"
"$CAPAS" ps --format '{{.RunningFor}}|{{.CreatedAt}}|{{.Status}}' | grep -qE 'ago\|20..-..-.. ..:..:.. [+-]....( [A-Z0-9+-]+)\|Up ' || fail "times: $("$CAPAS" ps --format '{{.RunningFor}}|{{.CreatedAt}}|{{.Status}}')"
"$CAPAS" ps -a -s | grep -qE '^CONTAINER ID .* NAMES +SIZE$' || fail "ps -s has no SIZE"
"$CAPAS" ps -a -s | grep -qE 'done +3\.?[0-9]*MB \(virtual [3-9].*MB\)$' || fail "ps -s: $("$CAPAS" ps -a -s)"
"$CAPAS" ps -a --format '{{.Names}} {{.Size}}' | grep -qE '^done 3' || fail "the size in a format"
refuses 1 "no field 'Foo'" "$CAPAS" ps --format '{{.Foo}}'
refuses 1 "'range' is not known" "$CAPAS" ps --format 'table {{range .}}'

# ---- images, history ----
is images "$("$CAPAS" images --format '{{.Repository}}:{{.Tag}}')" small:latest
is "images, a table" "$("$CAPAS" images --format 'table {{.Tag}}\t{{.Repository}}' | head -1)" "TAG       REPOSITORY"
is history "$("$CAPAS" history --format '{{.Size}} {{.Comment}}' small | wc -l)" "$("$CAPAS" history -q small | wc -l)"
