#!/bin/bash
# boot.sh [options] SCRIPT [ARG...]
# Boots one kernel peer, runs SCRIPT (a busybox sh script) in it as root, prints what it prints, exits with its exit code.
#   --netns NS      run the instance's host side in this network namespace (must exist)
#   --tap DEV       attach a NIC (eth0, then eth1, ...) to this tap device; made in NS, and removed again, if missing. May be repeated.
#   --br DEV        enslave the taps made here to this bridge of NS
#   --file SRC[:NAME]  also put SRC into the guest as /job/NAME. May be repeated.
#   --share DIR     the host's DIR is /share in the guest, read and write (9p)
#   --stdin         the script's standard input is boot.sh's (otherwise empty)
#   --timeout S     hard limit in seconds for everything, default 60
#   --mem MB        default 256       --smp N   default 1
#   --accel A       auto (default: what setup.sh saw working), kvm, tcg
#   --console FILE  the kernel's console goes there; default: shown on stderr only when the boot fails
#   --quiet         no line with the times on stderr
# Exit: the script's code; 124 when the limit was reached; 125 when the instance failed otherwise.
# The guest sees ARGs as $1.. and the files in /job.
set -u
C=${KERNELPEER_CACHE:-/tmp/kernelpeer}
netns= taps=() br= files=() share= usein= limit=60 mem=256 smp=1 accel=auto console= quiet=
die() { echo "boot: $*" >&2; exit 125; }
while (($#)); do
  case $1 in
    --netns) netns=$2; shift 2;;
    --tap) taps+=("$2"); shift 2;;
    --br) br=$2; shift 2;;
    --file) files+=("$2"); shift 2;;
    --share) share=$(cd "$2" && pwd) || die "no folder $2"; shift 2;;
    --stdin) usein=1; shift;;
    --timeout) limit=$2; shift 2;;
    --mem) mem=$2; shift 2;;
    --smp) smp=$2; shift 2;;
    --accel) accel=$2; shift 2;;
    --console) console=$2; shift 2;;
    --quiet) quiet=1; shift;;
    --) shift; break;;
    -*) die "unknown option $1";;
    *) break;;
  esac
done
(($#)) || die "no script given"
script=$1; shift
[[ -r $script ]] || die "cannot read $script"
[[ -z $netns || -e /run/netns/$netns || -e /var/run/netns/$netns ]] || die "no network namespace $netns"
[[ -s $C/initrd.cpio && -s $C/vmlinux ]] || die "nothing in $C: run setup.sh first"

W=$(mktemp -d "${TMPDIR:-/tmp}/kpeer.XXXXXX") || die "no work folder"
made=() qpid= cpid=
inns() { if [[ -n $netns ]]; then ip netns exec "$netns" "$@"; else "$@"; fi; }
cleanup() {
  trap - EXIT
  [[ -n $qpid ]] && kill "$qpid" 2>/dev/null && wait "$qpid" 2>/dev/null
  [[ -n $cpid ]] && kill "$cpid" 2>/dev/null
  for t in ${made[@]+"${made[@]}"}; do inns ip link del "$t" 2>/dev/null; done
  rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 125' INT TERM HUP

# the job as a second cpio archive behind the ready one: the kernel unpacks both
mkdir -p "$W/o/job"
cp "$script" "$W/o/job/script"
for f in ${files[@]+"${files[@]}"}; do
  src=${f%%:*}; name=$(basename "$src"); [[ $f == *:* ]] && name=${f#*:}
  mkdir -p "$W/o/job/$(dirname "$name")"; cp -r "$src" "$W/o/job/$name" || die "no file $src"
done
q=; for a in "$@"; do q+=" '${a//\'/\'\\\'\'}'"; done
printf 'exec sh /job/script%s <"$1"\n' "$q" >"$W/o/job/run"
printf 'USE_STDIN=%s\n' "$usein" >"$W/o/job/env"
# names must begin at the root of the archive
( cd "$W/o" && find job | "$C/busybox" cpio -o -H newc 2>/dev/null ) >"$W/job.cpio" || die "cpio failed"
cat "$C/initrd.cpio" "$W/job.cpio" >"$W/initrd" || die "no space for the initrd"

[[ $accel == auto ]] && accel=$(cat "$C/accel" 2>/dev/null || echo tcg)
case $accel in
  kvm) acc=(-accel kvm -cpu max);;
  tcg) acc=(-accel tcg -cpu qemu64,+rdrand);;
  *) die "unknown accelerator $accel";;
esac
net=() i=0
for t in ${taps[@]+"${taps[@]}"}; do
  if ! inns ip link show dev "$t" >/dev/null 2>&1; then
    inns ip tuntap add dev "$t" mode tap || die "cannot make tap $t"
    made+=("$t")
    [[ -n $br ]] && inns ip link set "$t" master "$br"
  fi
  inns ip link set "$t" up || die "cannot set $t up"
  h=$(printf '%s/%s/%s' "$netns" "$t" "$$" | md5sum)
  mac=52:54:00:${h:0:2}:${h:2:2}:${h:4:2}
  # vnet_hdr=off: no offloads, so what the host sees has whole checksums and no frame above the MTU
  net+=(-netdev "tap,id=n$i,ifname=$t,script=no,downscript=no,vnet_hdr=off,vhost=off"
        -device "virtio-net-pci,netdev=n$i,mac=$mac,romfile=")
  i=$((i+1))
done
sh9=() append=
if [[ -n $share ]]; then
  sh9=(-virtfs "local,path=$share,mount_tag=share,security_model=none,multidevs=remap"); append=9pshare
fi
con=${console:-$W/console}
: >"$W/ctl"; mkfifo "$W/out" || die mkfifo
exec 8<&0
[[ -n $usein ]] || exec 8</dev/null
cat "$W/out" & cpid=$!
t0=$(date +%s%N)
# maxcpus: where only one CPU is possible, QEMU before 8.1 leaves the guest's memory barriers out (commit c914d46d0a6),
# and now and then a virtio queue stops for ever
cmd=(timeout -k 3 "$limit" qemu-system-x86_64 -M "${KERNELPEER_MACHINE:-pc}" "${acc[@]}" -m "$mem"
  -smp "$smp,maxcpus=$((smp + 1))"
  -nodefaults -no-user-config -display none -no-reboot -name "kernelpeer"
  -kernel "$C/vmlinux" -initrd "$W/initrd"
  -append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off net.ifnames=0 random.trust_cpu=on rcupdate.rcu_expedited=1 i8042.noaux i8042.nokbd tsc=reliable $append ${KERNELPEER_APPEND:-}"
  -chardev "file,id=con,path=$con" -serial chardev:con
  -device virtio-serial-pci
  -chardev stdio,id=in,signal=off -device virtserialport,chardev=in,name=in
  -chardev "file,id=out,path=$W/out,append=on" -device virtserialport,chardev=out,name=out
  -chardev "file,id=ctl,path=$W/ctl,append=on" -device virtserialport,chardev=ctl,name=ctl
  "${net[@]}" "${sh9[@]}")
# setpriv: should this shell be killed outright, timeout gets TERM and ends qemu
if [[ -n $netns ]]; then
  setpriv --pdeathsig TERM ip netns exec "$netns" "${cmd[@]}" <&8 >"$W/qemu.log" 2>&1 8<&- &
else
  setpriv --pdeathsig TERM "${cmd[@]}" <&8 >"$W/qemu.log" 2>&1 8<&- &
fi
qpid=$!
exec 8<&-
wait "$qpid"; qrc=$?; qpid=
t1=$(date +%s%N)
# qemu gone: its end of the pipe is closed; were it never opened, cat would wait for ever
( exec 7<>"$W/out" ) 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$cpid" 2>/dev/null || break; sleep 0.05; done
kill "$cpid" 2>/dev/null; wait "$cpid" 2>/dev/null; cpid=
rc=$(awk '$1=="EXIT"{print $2; exit}' "$W/ctl")
up=$(awk '$1=="UP"{print $2; exit}' "$W/ctl")
if [[ -n $rc ]]; then
  [[ -n $quiet ]] || echo "boot: kernel up to init done ${up}s, whole run $(( (t1-t0)/1000000 )) ms, exit $rc" >&2
  exit "$rc"
fi
{ echo "boot: instance failed, qemu's exit $qrc, after $(( (t1-t0)/1000000 )) ms"; tail -5 "$W/qemu.log"; tail -15 "$con"; } >&2
[[ $qrc == 124 || $qrc == 137 ]] && exit 124
exit 125
