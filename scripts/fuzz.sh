#!/usr/bin/env bash
# fuzz.sh [PACKAGES]: runs every fuzz target for $FUZZTIME each. What fuzzing learns is kept below build/fuzz only; a
# failing input is written to the package's testdata/fuzz by the Go tool, to be committed with its repair.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${FUZZTIME:-3s}
root=$PWD
mkdir -p build/fuzz build/test
rm -f build/test/fuzz.txt

targets=0 failed=0
run() { # run PACKAGE DIRECTORY BINARY TARGET
  (cd "$2" && timeout 120 "$3" -test.run '^$' -test.fuzz "^$4\$" -test.fuzztime "$time" \
    -test.fuzzminimizetime 1s -test.fuzzcachedir "$root/build/fuzz/cache/$1" 2>&1)
}
# Go before 1.27 now and then reports the end of the time as a failure (go.dev/issue/75804): no input is to blame then.
spurious() { [[ $1 == *"context deadline exceeded"* && $1 != *"Failing input"* && $1 != *panic* ]]; }
fuzz() { # arguments of run
  local out tries=3
  targets=$((targets + 1))
  until out=$(run "$@"); do
    if ((--tries > 0)) && spurious "$out"; then
      continue
    fi
    failed=$((failed + 1))
    printf 'FAIL  %s %s\n%s\n' "$1" "$4" "$out"
    return
  done
  printf 'ok    %-28s %-32s %s\n' "$1" "$4" "$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
}

for pkg in $(go list "${@:-./...}"); do
  dir=$(go list -f '{{.Dir}}' "$pkg")
  grep -qs '^func Fuzz' "$dir"/*_test.go || continue
  # one instrumented binary a package; its targets run in the package's directory, for testdata
  bin=$root/build/fuzz/${pkg//\//_}.test
  CGO_ENABLED=0 go test -c -fuzz=Fuzz -o "$bin" "$pkg"
  for f in $(cd "$dir" && "$bin" -test.list '^Fuzz'); do
    fuzz "$pkg" "$dir" "$bin" "$f"
  done
done
sum="$targets targets, $time each, $failed failed"
echo "fuzz: $sum"
echo "$sum" >build/test/fuzz.txt
((targets > 0 && failed == 0))
