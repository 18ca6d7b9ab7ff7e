#!/usr/bin/env bash
# packages-test.sh: installs the .deb of build/packages on this Debian, uses it, upgrades, removes and purges it (root);
# the .rpm has the same in it, and is installed, upgraded and removed in a folder. Refuses where culvert is installed
# already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "packages: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); }

[[ $(id -u) == 0 ]] || fail "needs root"
dpkg-query -W culvert >/dev/null 2>&1 && fail "culvert is installed on this machine: not touched"
deb=$(echo build/packages/culvert_*_"$(dpkg --print-architecture)".deb)
[[ -f $deb ]] || fail "no package: make packages"
rpm=$(echo build/packages/culvert-*.rpm)
[[ -f $rpm ]] || fail "no .rpm: make packages"
log=$(mktemp) dir=$(mktemp -d)
trap 'dpkg -P culvert >/dev/null 2>&1 || true; rm -rf "$log" "$dir"' EXIT

# what is published
(cd build/packages && sha256sum --check --quiet SHA256SUMS) || fail "checksums"; ok
[[ $(wc -l <build/packages/SHA256SUMS) == 3 ]] || fail "checksums of something else than .deb, .rpm and bill of materials"; ok
cp build/packages/SHA256SUMS "$dir/sums"
make --no-print-directory packages >"$log" 2>&1 || { cat "$log"; fail "make packages"; }
diff "$dir/sums" build/packages/SHA256SUMS || fail "the same source makes other packages"; ok
sbom=$(echo build/packages/*.cdx.json)
while read -r module; do
  grep -qF "\"pkg:golang/$module?" "$sbom" || fail "the bill of materials lacks $module"
done < <(go version -m build/culvert | awk '$1 == "dep" {print $2 "@" $3}')
[[ $(grep -c '"type": "library"' "$sbom") == $(($(go version -m build/culvert | grep -c '^\sdep') + 1)) ]] ||
  fail "the bill of materials has other modules than the binary and Go's library"; ok
grep -q "$(sha256sum build/culvert | cut -d' ' -f1)" "$sbom" || fail "the bill of materials is of another binary"; ok

# .rpm and .deb are the same but for their form
mkdir "$dir/deb" "$dir/root" "$dir/control"
dpkg-deb -x "$deb" "$dir/deb" && dpkg-deb -e "$deb" "$dir/control"
rpm -K "$rpm" >"$log" || { cat "$log"; fail "rpm -K"; }; ok
r=(rpm --root "$dir/root" --dbpath /var/lib/rpm --noscripts)
"${r[@]}" --nodeps -i "$rpm" >"$log" 2>&1 || { cat "$log"; fail "rpm -i"; }
list() { (cd "$1" && find . -path ./var -prune -o ! -type d -printf '%M %u/%g %s %p\n' | sort); }
diff <(list "$dir/deb") <(list "$dir/root") || fail ".rpm and .deb differ in their files, modes or owners"; ok
diff -r "$dir/deb" "$dir/root" --exclude var || fail ".rpm and .deb differ in what is in the files"; ok
for s in postinst:POSTIN prerm:PREUN postrm:POSTUN; do
  diff "$dir/control/${s%:*}" <(rpm -qp --qf "%{${s#*:}}" "$rpm") || fail ".rpm and .deb differ in ${s%:*}"; ok
done
[[ ! -e $dir/control/preinst && $(rpm -qp --qf '%{PREIN}' "$rpm") == '(none)' ]] || fail "a script before installation"; ok
diff "$dir/control/conffiles" <(rpm -qp --configfiles "$rpm") || fail ".rpm and .deb differ in configuration files"; ok
[[ -z $(rpm -qp --requires "$rpm" | grep -v -e '^rpmlib(' -e '^/bin/sh$') ]] || fail "the .rpm requires something"; ok
echo '# the operator was here' >>"$dir/root/etc/culvert/culvert.toml"
"${r[@]}" --nodeps -U --replacepkgs "$rpm" >"$log" 2>&1 || { cat "$log"; fail "rpm -U"; }
tail -1 "$dir/root/etc/culvert/culvert.toml" | grep -q operator || fail "rpm -U has replaced the configuration"; ok
"${r[@]}" -e culvert >"$log" 2>&1 || { cat "$log"; fail "rpm -e"; }
[[ -z $(find "$dir/root/usr" ! -type d 2>/dev/null) && -e $dir/root/etc/culvert/culvert.toml.rpmsave ]] || fail "rpm -e leaves files, or the operator's are gone"; ok

dpkg -i "$deb" >"$log" 2>&1 || { cat "$log"; fail "dpkg -i"; }
[[ $(/usr/sbin/culvert version) == "$(build/culvert version)" ]] || fail "another binary"; ok
/usr/sbin/culvert check --config /etc/culvert/culvert.toml >"$log" || { cat "$log"; fail "the example configuration"; }; ok
[[ $(stat -c %a /etc/culvert/culvert.toml) == 640 ]] || fail "anybody may read the configuration"; ok
if command -v systemd-sysusers >/dev/null; then
  [[ $(stat -c %G /etc/culvert/culvert.toml) == culvert ]] || fail "the group culvert may not read the configuration"; ok
fi
if command -v man >/dev/null; then
  man -l /usr/share/man/man1/culvert-run.1.gz >"$log" 2>&1 && grep -q SIGHUP "$log" || fail "man culvert-run"; ok
  man -l /usr/share/man/man5/culvert.toml.5.gz >"$log" 2>&1 && grep -q ra_interval "$log" || fail "man culvert.toml"; ok
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
