#!/usr/bin/env bash
# test.sh: what `make test` runs: every step, its time, and at the end what passed. A failed step does not keep the
# later ones from running (unless nothing can be built), but the whole fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build/test
rm -f build/test/*.txt

if [[ $(id -u) != 0 ]]; then
  echo "make test needs root for network namespaces, TUN devices and raw sockets." >&2
  echo "As a user: make unit PKG=./... skips what cannot run and says so." >&2
  exit 1
fi

total=$SECONDS
report=() failed=()
step() { # step NAME [COMMAND...]: runs make NAME, or the command in its place
  local name=$1 start=$SECONDS result=passed
  printf '\n=== %s\n' "$name"
  if (($# > 1)); then "${@:2}"; else make --no-print-directory "$name"; fi </dev/null || { result=FAILED; failed+=("$name"); }
  local took=$((SECONDS - start)) sum=
  [[ -s build/test/$name.txt ]] && sum=": $(sed "s/^$name: //" "build/test/$name.txt" | tail -1)"
  report+=("$(printf '%-14s %-6s %4d s%s' "$name" "$result" "$took" "$sum")")
  [[ $result == passed ]]
}

# The kernel peer mostly waits. Meanwhile the processors do what needs them and does not look at the clock, and give way.
peer=
trap '[[ -z $peer ]] || kill "$peer"' EXIT
beside_interop() { # beside_interop NAME...: these steps, and interop's output when both are done
  make --no-print-directory interop </dev/null >build/test/interop.log 2>&1 &
  peer=$!
  for s in "$@"; do step "$s" nice -n 15 make --no-print-directory "$s"; done
  step interop finish_interop
}
finish_interop() {
  local result=0
  wait "$peer" || result=$?
  peer=
  cat build/test/interop.log
  return "$result"
}

step deps && step build && {
  for s in unit race demo packages-test container-test e2e; do step "$s"; done
  beside_interop lint fuzz arm64 s390x count golden
}

printf '\n=== summary, %d s on %s cores, kernel %s, %s\n' $((SECONDS - total)) "$(nproc)" "$(uname -r)" "$(go env GOVERSION)"
printf '%s\n' "${report[@]}"
if ((${#failed[@]})); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all passed: build, lint, unit and namespace tests, race detector, arm64, big-endian, instruction counts, fuzzing, golden packets, demo, packages, container, end to end, kernel interop"
