#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes speedscope.zip from the release on the npm registry. Needs npm, tar and python3.
set -eu
cd "$(dirname "$0")"
version=1.25.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
(cd "$work" && npm pack --silent "speedscope@$version" >/dev/null && tar xzf "speedscope-$version.tgz")
python3 - "$work/package" speedscope.zip <<'PY'
import os, sys, zipfile
package, out = sys.argv[1:]
site = os.path.join(package, "dist", "release")
files = {"LICENSE": os.path.join(package, "LICENSE")}
for name in sorted(os.listdir(site)):
    if not name.startswith("perf-vertx-stacks"):  # an example profile
        files[name] = os.path.join(site, name)
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
    for name in sorted(files):
        info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        with open(files[name], "rb") as f:
            z.writestr(info, f.read())
PY
