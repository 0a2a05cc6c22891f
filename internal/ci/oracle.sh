#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs every internal/oracle/*/run.sh: comparisons with programs that aren't part
# of the project. A script that can't run prints "SKIP reason" as its last line;
# exit status 0 or 77 then make that a skip.
set -u

out=$(mktemp)
trap 'rm -f "$out"' EXIT INT TERM
passed=0 failed=0 skipped=0
for script in internal/oracle/*/run.sh; do
	[ -f "$script" ] || continue
	name=$(basename "$(dirname "$script")")
	echo "== $name"
	if [ -x "$script" ]; then run=./$script; else run="sh $script"; fi
	{ $run 2>&1; echo "status $?"; } | tee "$out"
	status=$(tail -n 1 "$out" | cut -d ' ' -f 2)
	last=$(tail -n 2 "$out" | head -n 1)
	case "$status $last" in
	"0 SKIP "* | "77 SKIP "*) skipped=$((skipped + 1)) ;;
	"0 "*) passed=$((passed + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
done
echo "oracle: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
