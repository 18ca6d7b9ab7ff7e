#!/usr/bin/env bash
# gotest.sh NAME GO-TEST-ARGUMENTS...: runs go test, prints one line a package and all output of what failed, and
# fails on a skipped test when CULVERT_REQUIRE_NETNS=1. The full log is build/test/NAME.json, the sum NAME.txt.
# VERBOSE=1 prints everything as it comes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$1
shift
mkdir -p build/test
rm -f "build/test/$name.txt"
GOARCH= CGO_ENABLED=0 go build -buildvcs=false -o build/test/testsum ./scripts/testsum
args=(-name "$name" -sum "build/test/$name.txt")
[[ ${CULVERT_REQUIRE_NETNS:-0} == 1 ]] && args+=(-no-skip)
[[ ${VERBOSE:-0} == 1 ]] && args+=(-v)
# testsum judges: it fails on a failed test, a failed build and a stream that ends early
go test -json "$@" 2>&1 </dev/null | tee "build/test/$name.json" | build/test/testsum "${args[@]}"
