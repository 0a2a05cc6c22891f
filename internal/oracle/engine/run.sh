#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares the engine's log-probabilities with two independent decoders: one in
# NumPy (reference.py, every family, both item orders, three weight types) to
# 1e-4, and llama.cpp on the Qwen3 and Llama cases, written as GGUF, to 1e-3.
#
#   internal/oracle/engine/run.sh            compare
#   internal/oracle/engine/run.sh --update   also rewrite engine/testdata/reference
#   internal/oracle/engine/run.sh --speed    also time a prefill of 128 tokens, f32
#                                            and bf16, turn by turn with llama.cpp
#
# Without Python or its packages the run is skipped with a reason; without npm
# llama.cpp is left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${LAYERSCOPE_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerscope-oracle}/engine
mkdir -p "$work"
export PYTHONDONTWRITEBYTECODE=1

skip() { echo "SKIP engine oracle: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv" || skip "python3 has no venv module"
fi
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" ||
	skip "NumPy cannot be installed"

rm -rf "$work/cases" "$work/gguf" && mkdir -p "$work/cases" "$work/gguf"
"$work/venv/bin/python" "$here/cases.py" "$work/cases"
if [ "${1:-}" = --update ]; then
	"$work/venv/bin/python" "$here/cases.py" "$root/engine/testdata/reference" --small
fi
(cd "$root" && LAYERSCOPE_ENGINE_CASES="$work/cases" go test -count=1 -v -run '^(TestReference|TestStory)$' ./engine)

llama=0
if command -v npm >/dev/null && command -v node >/dev/null; then
	mkdir -p "$work/npm"
	cp "$here/package.json" "$here"/*.mjs "$work/npm/"
	# Prebuilt libraries come with the package: no install script, no compiler.
	if (cd "$work/npm" && npm install --silent --ignore-scripts --no-audit --no-fund); then llama=1; fi
fi
if [ "$llama" = 1 ]; then
	"$work/venv/bin/python" "$here/gguf.py" "$work/cases" "$work/gguf"
	(cd "$work/npm" && node llama.mjs "$work/cases" "$work/gguf")
	if [ "${1:-}" = --speed ]; then
		"$work/venv/bin/python" "$here/cases.py" "$work/cases" --speed
		"$work/venv/bin/python" "$here/gguf.py" "$work/cases" "$work/gguf"
		(cd "$root" && go test -c -o "$work/engine.test" ./engine)
		for model in qwen3_speed qwen3_speed_bf16; do
			echo "prefill of 128 tokens, $model"
			for _ in 1 2 3; do
				ms=$(cd "$work/npm" && node speed.mjs "$work/gguf/$model.gguf")
				LAYERSCOPE_LLAMA_MS=$ms LAYERSCOPE_SPEED_MODEL="$work/cases/$model" \
					"$work/engine.test" -test.run '^$' -test.bench AgainstLlamaCpp -test.benchtime 15x
			done
		done
		rm -rf "$work/cases"/qwen3_speed* "$work/gguf"/qwen3_speed*
	fi
else
	echo "left out: llama.cpp (no npm, or node-llama-cpp cannot be installed)"
fi
