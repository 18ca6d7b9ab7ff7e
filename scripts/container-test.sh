#!/usr/bin/env bash
# container-test.sh: builds the image of packaging/container with buildah (vfs storage, chroot isolation) and runs it with runc
# in a bundle that grants CAP_NET_ADMIN, CAP_NET_RAW and /dev/net/tun and nothing else, as the other end of a culvert outside:
# a dynamic tunnel over IP 115 with a PPP session, pings both ways (root; apt: buildah, runc).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "container: $*" >&2; exit 1; }
[[ $(id -u) == 0 ]] || fail "needs root"
for p in buildah runc ip ping; do command -v $p >/dev/null || fail "$p is missing: make deps"; done

dir=$(mktemp -d)
id=cvct$$
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
store=(--root "$dir/storage" --runroot "$dir/run")
pid=
cleanup() {
  runc --root "$dir/runc" delete -f $id >/dev/null 2>&1 || true
  [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
  wait 2>/dev/null || true
  buildah "${store[@]}" umount -a >/dev/null 2>&1 || true
  ip netns del $id-a 2>/dev/null || true
  ip netns del $id-b 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

for n in a b; do
  ip netns add $id-$n
  ip -n $id-$n link set lo up
done
ip -n $id-a link add u type veth peer name u netns $id-b
ip -n $id-a address add 192.0.2.1/24 dev u && ip -n $id-a link set u up
ip -n $id-b address add 192.0.2.2/24 dev u && ip -n $id-b link set u up

mkdir -p "$dir/bundle/etc"
cat >"$dir/out.toml" <<T
[api]
socket = "$dir/s"
[listen.ip]
encap = "ip"
local = "192.0.2.1"
[peer.inside]
secret = "the secret of both"
[profile.session.line]
pseudowire = "ppp"
remote_end_id = "line"
interface_name = "line"
local_address = "10.99.0.1"
peer_address = "10.99.0.2"
T
cat >"$dir/bundle/etc/culvert.toml" <<T
[tunnel.up]
encap = "ip"
local = "192.0.2.2"
peer = "192.0.2.1"
secret = "the secret of both"
[tunnel.up.session.line]
pseudowire = "ppp"
interface_name = "line"
T

buildah "${store[@]}" bud -q --format docker --isolation chroot -f packaging/container/Containerfile -t culvert:test . >/dev/null
rootfs=$(buildah "${store[@]}" mount "$(buildah "${store[@]}" from culvert:test)")
sed -e "s|@ROOTFS@|$rootfs|; s|@ETC@|$dir/bundle/etc|; s|@NETNS@|/run/netns/$id-b|" packaging/container/config.json >"$dir/bundle/config.json"

ip netns exec $id-a build/culvert run --config "$dir/out.toml" 2>"$dir/out.log" &
pid=$!
runc --root "$dir/runc" run -d --bundle "$dir/bundle" $id >"$dir/in.log" 2>&1 </dev/null || { cat "$dir/in.log"; fail "runc run"; }
for _ in $(seq 100); do
  ip netns exec $id-b ping -c 1 -W 1 10.99.0.1 >/dev/null 2>&1 && break
  sleep 0.1
done
passed=0
check() { "$@" >"$dir/log" 2>&1 || { cat "$dir/log" "$dir/in.log" "$dir/out.log"; fail "$*"; }; passed=$((passed + 1)); }
check ip netns exec $id-b ping -c 5 -i 0.2 -W 2 10.99.0.1
check ip netns exec $id-a ping -c 5 -i 0.2 -W 2 10.99.0.2
check runc --root "$dir/runc" exec $id /culvert show workers # the health check
check grep -q "^CapEff:[[:space:]]*0000000000003000$" "/proc/$(runc --root "$dir/runc" state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')/status"
runc --root "$dir/runc" kill $id TERM
for _ in $(seq 100); do
  [[ $(runc --root "$dir/runc" state $id 2>/dev/null) == *'"stopped"'* ]] && break
  sleep 0.1
done
check test -z "$(ip -n $id-b link show line 2>/dev/null)"
mkdir -p build/test
echo "container: $passed passed, 0 failed" | tee build/test/container-test.txt
