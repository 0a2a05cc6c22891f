#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole way of a run, without network: two builds are served, a session is run
# against each and pushed, both are found again by commit and compared.
#
#   endtoend.sh LAYERSCOPE DIR
#
# DIR must not exist. Exit 0 if all is as it should be; what isn't is said.
set -eu

tool=$1 dir=$2
base=aaaaaaa1b2c3d4e5f60718293a4b5c6d7e8f9012
new=bbbbbbb1b2c3d4e5f60718293a4b5c6d7e8f9012
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM

fail() { echo "endtoend: $1" >&2; exit 1; }

mkdir "$dir"
cd "$dir"
root=$(pwd)
printf 'name: small\nitems: [16]\nlabels: [2]\nquery_tokens: 48\nitem_tokens: 6\nrequests: 20\ncaptures: 3\n' >small.yaml

# session COMMIT FAULTS
session() {
	"$tool" serve --address 127.0.0.1:0 --model random:layers=4,hidden=128,ffn=512,heads=4,vocab=512 --workers 1 --inject "$2" --profiles "profiles-$1" --log none >"$1.url" &
	server=$!
	tries=0
	until [ -s "$1.url" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "the server does not start"
		kill -0 "$server" 2>/dev/null || fail "the server has ended"
		sleep 0.1
	done
	"$tool" profile "$(cat "$1.url")" --workload small.yaml --commit "$1" --trigger nightly --push "file://$root/shared" -o "run-$1" --no-progress
	kill -TERM "$server"
	wait "$server" || fail "the server ended with an error"
	server=
	"$tool" bundle verify "run-$1" || fail "run-$1 does not verify"
}

session "$base" ""
session "$new" slow:layer_2/mlp=4x

"$tool" list "$root/shared" | tee list.txt
grep -q "aaaaaaa.*small" list.txt || fail "the base run is not listed"
grep -q "bbbbbbb.*small" list.txt || fail "the new run is not listed"
"$tool" list "$root/shared" --check >/dev/null || fail "index and objects differ"

"$tool" history "$root/shared" --workload small --metric layer_2 | tee history.txt
grep -q "6 runs in 2 points" history.txt || fail "the history has not all runs"

"$tool" diff "$base" "$new" --runs "file://$root/shared" --workload small >diff.txt
head -n 20 diff.txt
"$tool" diff "$base" "$new" --runs "file://$root/shared" --workload small --format csv >diff.csv
grep -q '^aaaaaaa.*bbbbbbb$' diff.txt || fail "the diff is not of these commits"
# layer_2's MLP is done four times: its row must say so, whatever else the machine does.
awk -F, '$2 == "layer" && $3 == "layer_2" { found = $15 > 0.5 } END { exit !found }' diff.csv || fail "the diff does not find layer_2"

"$tool" pull "$root/shared" --commit bbbbbbb back -q
"$tool" bundle verify back >/dev/null || fail "what was pulled does not verify"
cmp back/manifest.json "run-$new/manifest.json" || fail "what was pulled is not what was pushed"
"$tool" report back --by layer >/dev/null || fail "what was pulled cannot be read"
echo "endtoend: done"
