#!/usr/bin/env bash
# packages-test.sh: installs the .deb of build/packages on this Debian, uses it, upgrades, removes and purges it (root).
# Refuses where culvert is installed already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "packages: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); }

[[ $(id -u) == 0 ]] || fail "needs root"
dpkg-query -W culvert >/dev/null 2>&1 && fail "culvert is installed on this machine: not touched"
deb=$(echo build/packages/culvert_*_"$(dpkg --print-architecture)".deb)
[[ -f $deb ]] || fail "no package: make packages"
log=$(mktemp)
trap 'dpkg -P culvert >/dev/null 2>&1 || true; rm -f "$log"' EXIT

dpkg -i "$deb" >"$log" 2>&1 || { cat "$log"; fail "dpkg -i"; }
[[ $(/usr/sbin/culvert version) == "$(build/culvert version)" ]] || fail "another binary"; ok
/usr/sbin/culvert check --config /etc/culvert/culvert.toml >"$log" || { cat "$log"; fail "the example configuration"; }; ok
[[ $(stat -c %a /etc/culvert/culvert.toml) == 640 ]] || fail "anybody may read the configuration"; ok
if command -v systemd-sysusers >/dev/null; then
  [[ $(stat -c %G /etc/culvert/culvert.toml) == culvert ]] || fail "the group culvert may not read the configuration"; ok
fi
if command -v man >/dev/null; then
  man -l /usr/share/man/man1/culvert-run.1.gz >"$log" 2>&1 && grep -q SIGHUP "$log" || fail "man culvert-run"; ok
fi
if command -v systemd-analyze >/dev/null; then
  systemd-analyze verify --man=no /usr/lib/systemd/system/culvert.service >"$log" 2>&1 || { cat "$log"; fail "the unit"; }; ok
fi
bash -n /usr/share/bash-completion/completions/culvert || fail "bash completion"; ok
unshare -n bash -c 'ip link set lo up; mkdir -p /run/culvert; /usr/sbin/culvert run --config /etc/culvert/culvert.toml 2>/dev/null & p=$!
  for i in $(seq 50); do /usr/sbin/culvert show workers >/dev/null 2>&1 && break; sleep 0.1; done
  /usr/sbin/culvert show workers; s=$?; kill $p; wait $p; exit $s' >"$log" 2>&1 || { cat "$log"; fail "start and stop"; }; ok

echo '# the operator was here' >>/etc/culvert/culvert.toml
dpkg -i "$deb" >"$log" 2>&1 || { cat "$log"; fail "upgrade"; }
tail -1 /etc/culvert/culvert.toml | grep -q operator || fail "the upgrade has replaced the configuration"; ok
dpkg -r culvert >"$log" 2>&1 || { cat "$log"; fail "dpkg -r"; }
[[ ! -e /usr/sbin/culvert && -e /etc/culvert/culvert.toml ]] || fail "removal leaves the binary or takes the configuration"; ok
dpkg -P culvert >"$log" 2>&1 || { cat "$log"; fail "dpkg -P"; }
[[ ! -e /etc/culvert/culvert.toml ]] || fail "a purge leaves the configuration"; ok
mkdir -p build/test
echo "packages: $passed passed, 0 failed" | tee build/test/packages-test.txt
