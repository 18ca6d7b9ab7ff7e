#!/usr/bin/env bash
# golangci.sh VERSION TARGET: puts golangci-lint VERSION at TARGET: the one on PATH when it has this very version,
# else built from source (about 90 s on two cores, once).
set -euo pipefail
version=$1 target=$2
mkdir -p "$(dirname "$target")"
if have=$(command -v golangci-lint) && [[ $("$have" version 2>/dev/null) == *"version $version "* ]]; then
  ln -sf "$have" "$target"
  exit 0
fi
echo "building golangci-lint $version"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for try in 1 2 3; do
  GOBIN=$tmp GOFLAGS= CGO_ENABLED=0 "${GO:-go}" install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$version" >"$tmp/log" 2>&1 && break
  ((try < 3)) || { tail -5 "$tmp/log" >&2; exit 1; }
  sleep 5
done
mv "$tmp/golangci-lint" "$target"
