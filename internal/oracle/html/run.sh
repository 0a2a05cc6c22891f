#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs axe-core over the HTML pages of reports and comparisons in Chromium, light
# and dark, before and after choosing a layer and a step. Any violation fails.
#
#   internal/oracle/html/run.sh
#
# Exit 0 if all pages are clean, 1 if not. Without npm, the package or a browser
# the run is skipped with a reason, exit 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/html
axe=axe-core@4.14.1

skip() { echo "SKIP html oracle: $1"; exit 0; }

command -v npm >/dev/null || skip "no npm"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || skip "no Chromium"
mkdir -p "$work"
cd "$work"
[ -f "node_modules/axe-core/axe.min.js" ] && grep -q '"version": "4.14.1"' node_modules/axe-core/package.json ||
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" "$axe" || skip "$axe cannot be installed"

cd "$root"
LAYERSCOPE_AXE="$work/node_modules/axe-core/axe.min.js" go test -count=1 -v -run '^TestChromiumAxe$' ./reports
