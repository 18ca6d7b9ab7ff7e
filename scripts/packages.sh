#!/usr/bin/env bash
# packages.sh NFPM CYCLONEDX VERSION: makes .deb and .rpm of build/culvert in build/packages, the bill of materials of what is
# compiled in (CycloneDX), which is in the packages, too, and the checksums of all. The same source makes the same files:
# dates are the commit's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
nfpm=$1 cyclonedx=$2
export VERSION=${3#v}
ARCH=$(go env GOARCH)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export ARCH SOURCE_DATE_EPOCH # nfpm dates everything by the latter
STAGE=build/stage             # packaging/nfpm/nfpm.yaml takes files from there

rm -rf $STAGE build/packages
mkdir -p $STAGE/completion build/packages
cp build/culvert $STAGE/culvert
$STAGE/culvert man $STAGE/man
gzip -9n $STAGE/man/*.[15]
for shell in bash zsh fish; do
  $STAGE/culvert completion "$shell" >"$STAGE/completion/culvert.$shell"
done
# modules from what Go has written into the binary, licences from their sources; serial number and time would differ each time
"$cyclonedx" bin -json -std -licenses -assert-licenses -noserial -notimestamp -version "$VERSION" -output $STAGE/culvert.cdx.json \
  $STAGE/culvert 2>$STAGE/cyclonedx.log || { cat $STAGE/cyclonedx.log >&2; exit 1; }
cp $STAGE/culvert.cdx.json "build/packages/culvert_${VERSION}_$ARCH.cdx.json"
find $STAGE -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
for kind in deb rpm; do
  "$nfpm" package --config packaging/nfpm/nfpm.yaml --packager "$kind" --target build/packages/
done
(cd build/packages && sha256sum -- *.deb *.rpm *.json >SHA256SUMS && cat SHA256SUMS)
