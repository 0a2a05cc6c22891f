#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times whole processes of layerscope: --help and the report of a small capture,
# with the file in the page cache. Goals: a median below 30 ms each.
# usage: bench/process.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."

runs=${1:-40}
shared=${LAYERSCOPE_SHARED:-../shared}
make -s build
go build -o bin/timed ./internal/ci/timed
bin/timed -n "$runs" bin/layerscope --help
bin/timed -n "$runs" bin/layerscope version
bin/timed -n "$runs" bin/layerscope report testdata/captures/slow_a.xplane.pb.gz
capture=$shared/data/xspace/tpu_v6e_x4_host_offload.xplane.pb
if [ -f "$capture" ]; then
	bin/timed -n "$runs" bin/layerscope report "$capture"
else
	echo "SKIP the TPU capture of 0.86 MB: $capture is absent"
fi
