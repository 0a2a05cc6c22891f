#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares analyze/internal/stats with SciPy on random data, to 1e-9 relative.
# Go writes inputs and its results as JSON, compare.py computes them again: tests
# and distributions by SciPy, what SciPy hasn't (van Elteren, the shift's
# interval, the moderated comparison of runs) by formula on SciPy's functions.
#
#   internal/oracle/stats/run.sh [SEED]
#
# Exit 0 if all agree, 1 if not. Without Python or the pinned packages the run
# is skipped with a reason, exit 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/stats

skip() { echo "SKIP stats oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "numpy and scipy cannot be installed"

cd "$root"
LAYERSCOPE_STATS_ORACLE="$work/cases.json" LAYERSCOPE_STATS_SEED="${1:-1}" \
	go test -count=1 -run '^TestOracleDump$' ./analyze/internal/stats
"$work/venv/bin/python" "$here/compare.py" "$work/cases.json"
