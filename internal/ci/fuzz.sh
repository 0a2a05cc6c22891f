#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzz target of the module for FUZZTIME (3s), less if all together
# would take more than FUZZBUDGET seconds (150). A package's test binary is built
# once and serves all its targets. A crasher lands in the package's testdata/fuzz.
set -eu

fuzztime=${FUZZTIME:-3s}
budget=${FUZZBUDGET:-150}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cache=$(go env GOCACHE)/fuzz

# Folders that mention a fuzz target; go test -list then says which there are.
dirs=$(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' 2>/dev/null | xargs -n1 dirname 2>/dev/null | sort -u)
n=0
for dir in $dirs; do
	n=$((n + 1))
	if ! go test -c -fuzz=. -o "$work/$n.test" "./$dir"; then
		echo "$dir: the fuzz binary doesn't build" >>"$work/failed"
		continue
	fi
	(cd "$dir" && "$work/$n.test" -test.list '^Fuzz') | grep '^Fuzz' |
		while read -r target; do echo "$n $dir $target"; done >>"$work/targets"
done
touch "$work/targets" "$work/failed"
count=$(wc -l <"$work/targets")
if [ "$count" -gt 0 ]; then
	case $fuzztime in
	*[!0-9]s | *[!0-9s]*) ;; # minutes or iterations (30x): as asked
	*)
		seconds=${fuzztime%s}
		if [ $((seconds * count)) -gt "$budget" ]; then
			fuzztime=$((budget * 1000 / count))ms
		fi
		;;
	esac
fi

while read -r n dir target; do
	echo "fuzz $dir $target $fuzztime"
	# An input that was under way when the time ran out is reported as "context
	# deadline exceeded", with no input beside: no failure of the target.
	for try in 1 2 3; do
		if (cd "$dir" && "$work/$n.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$fuzztime" -test.fuzzminimizetime 5x \
			-test.fuzzcachedir "$cache/$dir" -test.parallel 2 >"$work/out" 2>&1 </dev/null); then
			break
		fi
		if [ "$try" = 3 ] || ! grep -q '^ *context deadline exceeded$' "$work/out" || grep -q 'Failing input written' "$work/out"; then
			cat "$work/out"
			echo "$dir: $target" >>"$work/failed"
			break
		fi
	done
done <"$work/targets"

if [ -s "$work/failed" ]; then
	echo "fuzz: failed:"
	cat "$work/failed"
	exit 1
fi
echo "fuzz: $count targets, no failure"
