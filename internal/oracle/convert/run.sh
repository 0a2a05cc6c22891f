#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks what layerscope convert writes with the programs that it is for:
#
#   go tool pprof -top   has the report's self time for every op, to the ns, and
#                        -diff_base the difference of two captures
#   XProf 2.24.2         opens the XSpace and has the report's op totals; of a TPU
#                        capture (shared data) it has the same table as of the
#                        original
#   speedscope 1.25.0    (npm), served here and driven in headless Chromium, opens
#                        its file and the folded stacks
#
#   internal/oracle/convert/run.sh
#
# Exit 0 if all that can run agree, 1 if not. What is missing is said.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/convert
shared=${LAYERSCOPE_SHARED:-$root/../shared}
captures=$root/testdata/captures
skipped=""

command -v python3 >/dev/null || { echo "SKIP convert oracle: no python3"; exit 0; }
rm -rf "$work/cases" && mkdir -p "$work/cases"
(cd "$root" && go build -o "$work/layerscope" ./cmd/layerscope)
ls=$work/layerscope

for name in base_a slow_a tp4 modules_flat scan; do
	in=$captures/$name.xplane.pb.gz
	"$ls" report --quiet --json "$in" >"$work/cases/$name.report.json"
	"$ls" convert --quiet "$in" -o "$work/cases/$name.pprof"
	(cd "$root" && go tool pprof -top -unit=ns -nodefraction=0 -nodecount=1000000 "$work/cases/$name.pprof") >"$work/cases/$name.top" 2>/dev/null
done
(cd "$root" && go tool pprof -top -unit=ns -nodefraction=0 -nodecount=1000000 -diff_base "$work/cases/base_a.pprof" "$work/cases/slow_a.pprof") >"$work/cases/diff.top" 2>/dev/null
python3 "$here/compare.py" pprof "$work/cases"

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv" || true
if "$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"; then
	for name in base_a tp4; do
		mkdir -p "$work/cases/$name"
		"$ls" convert --quiet --xprof-compat "$captures/$name.xplane.pb.gz" -o "$work/cases/$name/host.xplane.pb"
		"$ls" report --quiet --json "$work/cases/$name/host.xplane.pb" >"$work/cases/$name/report.json"
	done
	tpu=$shared/data/xspace/tpu_v6e_torchxla_cnn.xplane.pb.gz
	if [ -f "$tpu" ]; then
		mkdir -p "$work/cases/original" "$work/cases/copy"
		gzip -dc "$tpu" >"$work/cases/original/host.xplane.pb"
		"$ls" convert --quiet "$tpu" -o "$work/cases/copy/host.xplane.pb"
	else
		echo "left out: the TPU capture (shared data)"
	fi
	PYTHONHASHSEED=0 TF_CPP_MIN_LOG_LEVEL=2 "$work/venv/bin/python" "$here/compare.py" xprof "$work/cases"
else
	skipped="$skipped xprof cannot be installed;"
fi

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$chromium" ] && command -v npm >/dev/null && command -v node >/dev/null; then
	mkdir -p "$work/npm"
	cp "$here/package.json" "$here/speedscope.mjs" "$work/npm/"
	if (cd "$work/npm" && npm install --silent --ignore-scripts --no-audit --no-fund); then
		"$ls" convert --quiet "$captures/base_a.xplane.pb.gz" -o "$work/cases/base_a.speedscope.json"
		"$ls" convert --quiet "$captures/base_a.xplane.pb.gz" -o "$work/cases/base_a.folded"
		(cd "$work/npm" && node speedscope.mjs "$chromium" "$work/npm/node_modules/speedscope/dist/release" "$work/cases")
	else
		skipped="$skipped speedscope cannot be installed;"
	fi
else
	skipped="$skipped no Chromium, npm or node for speedscope;"
fi
[ -z "$skipped" ] || echo "left out:$skipped"
