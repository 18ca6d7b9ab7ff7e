#!/usr/bin/env bash
# deps.sh: installs the programs the tests need, only those missing: Debian or Ubuntu, root. Building and running
# culvert needs none of them.
set -euo pipefail

# command (or file) -> packages
declare -A needs=(
  [ip]="iproute2"
  [ping]="iputils-ping"
  [gcc]="gcc libc6-dev"
  [/usr/include/stdio.h]="libc6-dev"
  [xz]="xz-utils"
  [flock]="util-linux"
  [tshark]="tshark"
  [tcpdump]="tcpdump"
  [iperf3]="iperf3"
  [tmux]="tmux"
  [script]="bsdutils"
  [udevadm]="udev"
  [buildah]="buildah"
  [runc]="runc"
  [groff]="groff-base"
  [rpm]="rpm"
  [qemu-system-x86_64]="qemu-system-x86"
  [qemu-aarch64-static]="qemu-user-static"
)
missing=() packages=()
for what in "${!needs[@]}"; do
  case $what in
    /*) [[ -e $what ]] && continue ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$what" >/dev/null && continue ;;
  esac
  missing+=("$what")
  read -ra p <<<"${needs[$what]}"
  packages+=("${p[@]}")
done

if ! command -v go >/dev/null; then
  echo "deps: Go is missing: install the version go.mod names" >&2
  exit 1
fi
if ((${#missing[@]} == 0)); then
  echo "deps: all there"
  exit 0
fi
echo "deps: missing: ${missing[*]}"
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "deps: install these Debian packages or their like as root: ${packages[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for try in 1 2 3; do
  "${apt[@]}" update >"$log" 2>&1 || true
  if "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1 </dev/null; then
    echo "deps: installed ${packages[*]}"
    exit 0
  fi
  echo "deps: try $try failed" >&2
  sleep $((try * 5))
done
tail -20 "$log" >&2
exit 1
