#!/usr/bin/env bash
# cross.sh GOARCH EMULATOR: builds and vets everything for another architecture, and runs the tests of the packages that
# need nothing of the kernel but memory and files, under qemu-user. Namespaces, TUN devices and sockets are left to the
# real machine: qemu-user does not translate all that they need (recvmmsg, cmsgs, netlink).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GOARCH=$1 CGO_ENABLED=0
emulator=$2
command -v "$emulator" >/dev/null || { echo "cross: $emulator is missing: make deps" >&2; exit 1; }

go build -buildvcs=false -trimpath -o "build/culvert-$GOARCH" ./cmd/culvert
"$emulator" "build/culvert-$GOARCH" version
"$emulator" "build/culvert-$GOARCH" check --config examples/lac.toml >/dev/null
go vet ./...
go vet -tags interop ./...
scripts/gotest.sh "$GOARCH" -exec "$emulator" -timeout 10m \
  ./encap ./pppfsm ./forwarder/offload ./internal/config ./internal/mgmt
