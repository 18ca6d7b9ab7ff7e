#!/usr/bin/env bash
# packages.sh NFPM VERSION: makes .deb and .rpm of build/culvert in build/packages, with their checksums. The same source
# makes the same packages: dates are the commit's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
nfpm=$1
export VERSION=${2#v}
ARCH=$(go env GOARCH)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export ARCH SOURCE_DATE_EPOCH # nfpm dates everything by the latter
STAGE=build/stage             # packaging/nfpm/nfpm.yaml takes files from there

rm -rf $STAGE build/packages
mkdir -p $STAGE/completion build/packages
cp build/culvert $STAGE/culvert
$STAGE/culvert man $STAGE/man
gzip -9n $STAGE/man/*.1
for shell in bash zsh fish; do
  $STAGE/culvert completion "$shell" >"$STAGE/completion/culvert.$shell"
done
find $STAGE -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
for kind in deb rpm; do
  "$nfpm" package --config packaging/nfpm/nfpm.yaml --packager "$kind" --target build/packages/
done
(cd build/packages && sha256sum -- *.deb *.rpm >SHA256SUMS && cat SHA256SUMS)
