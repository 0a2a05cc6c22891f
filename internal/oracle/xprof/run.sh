#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares XProf with layerscope on a recording of our own, written in XProf's
# compatible form: op totals of hlo_stats, program by program, to 1e-6 relative,
# and the peak of memory_profile to the byte. Of the native form, whose device
# XProf makes no tables for, it lists the lanes that trace_viewer shows.
#
#   internal/oracle/xprof/run.sh
#
# Exit 0 if all agree, 1 if not. Without Python or the pinned package the run
# is skipped with a reason, exit 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/xprof

skip() { echo "SKIP xprof oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "xprof cannot be installed"

rm -rf "$work/cases" && mkdir -p "$work/cases"
cd "$root"
LAYERSCOPE_XPROF_ORACLE="$work/cases" go test -count=1 -run '^TestOracleDump$' ./trace
go build -o "$work/layerscope" ./cmd/layerscope
for form in compat native; do
	"$work/layerscope" report --quiet --format json "$work/cases/$form/host.xplane.pb" >"$work/cases/$form.report.json"
	"$work/layerscope" memory --quiet --format json "$work/cases/$form/host.xplane.pb" >"$work/cases/$form.memory.json"
done
PYTHONHASHSEED=0 "$work/venv/bin/python" "$here/compare.py" "$work/cases"
