#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times XProf 2.24.2, xprof-rs 0.1.3 and layerscope from the same generated XSpace
# to the first op table. Needs Python 3.10 or later with pip; the packages go to
# $XPROF_VENV, made once. A script that can't run says SKIP and why.
# usage: bench/xprof.sh [MiB, at least 100] [RUNS]
set -eu
cd "$(dirname "$0")/.."

size=${1:-128}
runs=${2:-5}
venv=${XPROF_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope/xprof-2.24.2}
python=$venv/bin/python
if [ ! -x "$python" ]; then
	command -v python3 >/dev/null || { echo "SKIP no python3"; exit 77; }
	python3 -m venv "$venv" || { echo "SKIP python3 makes no virtual environment"; exit 77; }
fi
if ! "$python" -c 'import xprof' 2>/dev/null; then
	"$python" -m pip install -q 'xprof==2.24.2' 'xprof-rs==0.1.3' || { echo "SKIP xprof==2.24.2 and xprof-rs==0.1.3 don't install here"; exit 77; }
fi
make -s build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
go run ./trace/internal/xspace/xspacegen/write -mb "$size" "$work/host.xplane.pb"
"$python" bench/xprof.py bin/layerscope "$work/host.xplane.pb" "$runs"
