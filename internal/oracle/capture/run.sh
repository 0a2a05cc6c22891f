#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes captures of live JAX processes (jax.profiler.start_server, CPU) with
# layerscope capture and profile: windows, early ends, idle and busy profilers,
# tracer levels, memory plans, continuous profiling, whole sessions and the diff of
# two builds.
#
#   internal/oracle/capture/run.sh
#
# Exit 0 if all is as it should be, 1 if not. Without Python or the pinned packages
# the run is skipped with a reason, exit 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/capture

skip() { echo "SKIP capture oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "jax cannot be installed"

cd "$root"
go build -o "$work/layerscope" ./cmd/layerscope
"$work/venv/bin/python" "$here/check.py" "$work/layerscope" "$here/server.py" "$work/cases"
