#!/bin/bash
# Builds everything a kernel peer needs into $KERNELPEER_CACHE (default /tmp/kernelpeer), on Debian, x86-64:
#   vmlinux            Debian's generic kernel (has l2tp_{core,netlink,ip,ip6,eth,ppp} and ppp_generic), unpacked
#                      from vmlinuz: qemu starts it directly (PVH), which saves half the boot time under TCG
#   accel              kvm or tcg: which accelerator was seen to work here (asking for /dev/kvm alone does not tell)
#   initrd.cpio        busybox + ip, pppd, dhcp6c, xl2tpd, iperf3, ping, tcpdump, our l2tpppp, the modules
#   busybox            static busybox, used on the host only for its cpio
#   built, packed      checksums of the sources the above were made from
# Packages come from apt only.  Nothing of the guest is installed on the host: the guest's packages
# are downloaded and unpacked under the cache.  Re-running is cheap: it does nothing when the result was made from
# these very sources, and needs no package when only init.sh or l2tpppp.c changed; `setup.sh --force` builds all again.
# On the host qemu, gcc, iproute2 and xz are installed when they are missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
C=${KERNELPEER_CACHE:-/tmp/kernelpeer}
mkdir -p "$C"

exec 9>"$C/.lock"
flock -w 600 9 || { echo "setup: another setup holds $C/.lock" >&2; exit 1; }

say() { echo "setup: $*" >&2; }
# by content: a fresh clone has new times on old files
sum() { cat "$@" | sha256sum | cut -d' ' -f1; }
built=$(sum "$here/setup.sh") packed=$(sum "$here/init.sh" "$here/l2tpppp.c")
have() { [[ $(cat "$C/$1" 2>/dev/null) == "$2" ]]; }
R=$C/root

pack() { # our own two programs into the ready root file system, and that into the initrd
  gcc -O2 -Wall -Wextra -static -o "$R/usr/sbin/l2tpppp" "$here/l2tpppp.c"
  cp "$here/init.sh" "$R/init"; chmod 755 "$R/init"
  ( cd "$R" && find . | "$C/busybox" cpio -o -H newc 2>/dev/null ) >"$C/initrd.cpio.new"
  mv "$C/initrd.cpio.new" "$C/initrd.cpio"
  echo "$packed" >"$C/packed"
}

if [[ ${1:-} != --force && -s $C/initrd.cpio && -s $C/vmlinux && -s $C/accel && -x $C/busybox && -d $R ]] &&
   command -v qemu-system-x86_64 >/dev/null && have built "$built"; then
  if ! have packed "$packed"; then
    command -v gcc >/dev/null || { say "needs gcc"; exit 1; }
    pack
  fi
  echo "setup: $C is up to date (kernel $(cat "$C/kernel.version"))"
  exit 0
fi
rm -f "$C/built" "$C/packed"

[[ $(uname -m) == x86_64 ]] || { say "only for x86-64 hosts"; exit 1; }
command -v apt-get >/dev/null || { say "needs apt-get (Debian)"; exit 1; }
export DEBIAN_FRONTEND=noninteractive
APT=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
(( EUID == 0 )) || { say "needs root for apt-get"; exit 1; }
"${APT[@]}" update >"$C/apt.log" 2>&1 || say "apt-get update failed, going on with the present lists"

# 1. on the host: only qemu, and a C compiler when there is none
need=()
command -v qemu-system-x86_64 >/dev/null || need+=(qemu-system-x86)
command -v gcc >/dev/null || need+=(gcc libc6-dev)
command -v ip >/dev/null || need+=(iproute2)
command -v xz >/dev/null || need+=(xz-utils)
if ((${#need[@]})); then
  say "installing ${need[*]}"
  "${APT[@]}" install -y --no-install-recommends "${need[@]}" >>"$C/apt.log" 2>&1 || { tail -5 "$C/apt.log" >&2; exit 1; }
fi

# 2. for the guest: download and unpack, with everything they depend on (apt is told of an empty machine, so the
# guest is the same whatever the host has installed)
rm -rf "$C/debs"; mkdir -p "$C/debs/partial"; : >"$C/empty-status"
kpkg=$(apt-cache depends linux-image-amd64 | awk '$1=="Depends:"{print $2; exit}')
kver=${kpkg#linux-image-}
say "kernel package $kpkg"
"${APT[@]}" install -y --no-install-recommends --download-only -o Dir::State::status="$C/empty-status" \
   -o Dir::Cache::archives="$C/debs" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root \
   busybox-static dash coreutils findutils util-linux iproute2 iputils-ping iperf3 tcpdump ppp xl2tpd wide-dhcpv6-client >>"$C/apt.log" 2>&1 ||
   { tail -5 "$C/apt.log" >&2; exit 1; }
# the kernel alone: nothing of its own dependencies (initramfs-tools, kmod) is of use
( cd "$C/debs" && "${APT[@]}" download -o APT::Sandbox::User=root "$kpkg" >>"$C/apt.log" 2>&1 ) || { tail -5 "$C/apt.log" >&2; exit 1; }
S=$C/sysroot
rm -rf "$S"; mkdir -p "$S"
# usrmerge: let packages that ship /bin, /sbin, /lib land in /usr
mkdir -p "$S"/usr/{bin,sbin,lib,lib64}; for d in bin sbin lib lib64; do ln -s usr/$d "$S/$d"; done
for d in "$C"/debs/*.deb; do
  case $d in *"/$kpkg"_*|*/perl*|*/libperl*|*/dpkg_*|*/tar_*|*-doc_*) continue;; esac
  dpkg-deb --fsys-tarfile "$d" | tar -x --keep-directory-symlink -C "$S"
done
K=$C/kernel
if [[ ! -e $K/boot/vmlinuz-$kver ]]; then
  # only the parts of the module tree that a network peer can need: the whole is 400 MB and slow to index
  rm -rf "$K"; mkdir -p "$K"
  dpkg-deb --fsys-tarfile "$C"/debs/"$kpkg"_*.deb |
    tar -x -C "$K" --wildcards --no-wildcards-match-slash --exclude='./lib/modules/*/kernel/drivers/net/wireless' \
      --exclude='./lib/modules/*/kernel/drivers/net/ethernet' './boot' './lib/modules/*/modules.*' \
      './lib/modules/*/kernel/'{net,lib,crypto,drivers/net,drivers/virtio,drivers/char,fs/9p,fs/netfs,fs/fscache,arch}
fi
# the ELF kernel inside the bzImage is an xz stream after the setup code
off=$(LC_ALL=C grep -aobP '\xfd7zXZ\x00' "$K/boot/vmlinuz-$kver" | head -1 | cut -d: -f1)
[[ -n $off ]] || { say "vmlinuz is not xz-compressed"; exit 1; }
{ tail -c +$((off+1)) "$K/boot/vmlinuz-$kver" || true; } | xz -dc --single-stream >"$C/vmlinux.new" || true
[[ $(head -c 4 "$C/vmlinux.new" | tail -c 3) == ELF ]] || { say "no ELF kernel in vmlinuz"; exit 1; }
grep -q '^CONFIG_PVH=y' "$K/boot/config-$kver" || { say "kernel lacks CONFIG_PVH"; exit 1; }
mv "$C/vmlinux.new" "$C/vmlinux"
echo "$kver" >"$C/kernel.version"
bb=$(find "$S" -path '*bin/busybox' -type f | head -1)
cp "$bb" "$C/busybox"
M=$K/lib/modules/$kver
[[ -s $M/modules.dep ]] || "$C/busybox" depmod -b "$K" "$kver"

# 3. the root file system
rm -rf "$R"
mkdir -p "$R"/{usr/bin,usr/sbin,usr/lib,usr/lib64,dev,proc,sys,run,tmp,etc/ppp,etc/wide-dhcpv6,var/lib/dhcpv6,root,share,job,var/run,var/log,var/lock}
for d in bin sbin lib lib64; do ln -s usr/$d "$R/$d"; done
cp "$C/busybox" "$R/usr/bin/busybox"
"$C/busybox" --list | while read -r a; do
  case $a in busybox|sh|ash|ip|tc|ping|ping6|ifconfig) continue;; esac
  ln -s /usr/bin/busybox "$R/usr/bin/$a"
done
# where the kernel looks for it
ln -s /usr/bin/busybox "$R/usr/sbin/modprobe"

addlibs() { # every library a binary needs, from the unpacked packages first, else the host's
  local f
  LD_LIBRARY_PATH=$S/usr/lib/x86_64-linux-gnu:$S/usr/lib "$S"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --list "$1" 2>/dev/null |
  awk '$2=="=>"{ if ($3=="not") print "MISSING " $1; else print $3 } $1 ~ /^\//{print $1}' |
  while read -r f g; do
    [[ $f == MISSING ]] && { say "library $g of $1 not found"; return 1; }
    local dst=$R/usr/lib/x86_64-linux-gnu/$(basename "$f")
    case $f in */ld-linux-x86-64.so.2) dst=$R/usr/lib64/ld-linux-x86-64.so.2;; esac
    mkdir -p "$(dirname "$dst")"
    [[ -e $dst ]] || cp -L "$f" "$dst"
  done
}
addbin() { # addbin NAME: from the unpacked packages, else the host's
  local f
  f=$(find "$S/usr/bin" "$S/usr/sbin" -name "$1" -type f 2>/dev/null | head -1)
  [[ -n $f ]] || f=$(readlink -f "$(command -v "$1")")
  rm -f "$R/usr/bin/$1" "$R/usr/sbin/$1"
  cp "$f" "$R/usr/sbin/$1"
  addlibs "$f"
}
for b in ip tc ss bridge ping iperf3 tcpdump pppd xl2tpd xl2tpd-control dhcp6c dash; do addbin $b; done
ln -sf ping "$R/usr/sbin/ping6"
# Debian's busybox prefers its own applets to the programs of $PATH whenever it runs a command, so whatever
# runs commands must be the real one (coreutils, findutils, util-linux)
for b in env nice nohup timeout chroot setsid unshare nsenter xargs find; do addbin $b; done
mv "$R/usr/sbin/dash" "$R/usr/bin/dash"; ln -sf dash "$R/usr/bin/sh"
mkdir -p "$R/usr/lib/pppd"
cp -r "$S"/usr/lib/pppd/* "$R/usr/lib/pppd/"
for p in "$R"/usr/lib/pppd/*/*.so; do addlibs "$p" || rm -f "$p"; done
mkdir -p "$R/etc/iproute2"; cp -r "$S"/etc/iproute2/* "$R/etc/iproute2/" 2>/dev/null || true
# tcpdump gives up its rights to the user of its name
printf 'root:x:0:0:root:/root:/bin/sh\ntcpdump:x:0:0::/root:/bin/sh\n' >"$R/etc/passwd"; echo 'root:x:0:' >"$R/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$R/etc/hosts"
printf 'passwd: files\ngroup: files\nhosts: files\n' >"$R/etc/nsswitch.conf"
cp /etc/protocols "$R/etc/" 2>/dev/null || printf 'icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nl2tp 115 L2TP\n' >"$R/etc/protocols"
: >"$R/etc/ppp/options"
printf '# client server secret addresses\n* * "secret" *\n' >"$R/etc/ppp/chap-secrets"
cp "$R/etc/ppp/chap-secrets" "$R/etc/ppp/pap-secrets"; chmod 600 "$R"/etc/ppp/*-secrets

# 4. modules: those named here with all that they depend on; init.sh loads the "eager" ones
eager="virtio_pci virtio_console virtio_net l2tp_core l2tp_netlink l2tp_ip l2tp_ip6 l2tp_eth ppp_generic pppox l2tp_ppp"
lazy="esp4 esp6 xfrm_user gcm seqiv echainiv ctr ghash-generic drbg 9p 9pnet_virtio veth tun dummy bridge 8021q macvlan sch_netem sch_tbf ppp_async ppp_synctty ppp_deflate bsd_comp ppp_mppe l2tp_debugfs nf_tables nf_conntrack act_mirred cls_u32 ifb"
D=$R/lib/modules/$kver; mkdir -p "$D"
declare -A dep seen
while IFS=: read -r mod deps; do n=$(basename "$mod" .ko); dep[${n//-/_}]="$mod:$deps"; done <"$M/modules.dep"
pick() {
  local n=${1//-/_} mod deps d
  [[ -n ${seen[$n]:-} ]] && return 0
  seen[$n]=1
  if [[ -z ${dep[$n]:-} ]]; then
    grep -q "/${1}\.ko" "$M/modules.builtin" || say "no module $1"
    return 0
  fi
  IFS=: read -r mod deps <<<"${dep[$n]}"
  for d in $deps; do pick "$(basename "$d" .ko)"; done
  mkdir -p "$D/$(dirname "$mod")"; cp "$M/$mod" "$D/$mod"
}
for m in $eager $lazy; do pick "$m"; done
cp "$M"/modules.{builtin,order} "$D/" 2>/dev/null || true
"$C/busybox" depmod -b "$R" "$kver"
echo "$eager" >"$R/etc/modules.eager"

pack

# 5. does KVM really run this kernel here?  (A nested "PVM" host has /dev/kvm and creates VMs, but an ordinary
# kernel never gets going in one.)
if [[ ! -s $C/accel ]]; then
  echo 'exit 42' >"$C/probe.sh"
  a=tcg
  if [[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
    rc=0; "$here/boot.sh" --quiet --accel kvm --timeout 8 "$C/probe.sh" >/dev/null 2>&1 || rc=$?
    [[ $rc == 42 ]] && a=kvm
  fi
  echo $a >"$C/accel"
fi
rm -rf "$C/kernel/lib" "$C/debs" "$C/sysroot"; rm -f "$C/kernel/boot/vmlinuz-$kver"   # the rest is not needed any more
echo "$built" >"$C/built"
say "done: kernel $kver, accelerator $(cat "$C/accel"), initrd $(du -m "$C/initrd.cpio" | cut -f1) MiB in $C"
