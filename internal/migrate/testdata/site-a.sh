#!/bin/sh
# What the man page has, and a bit more.
modprobe l2tp_eth
ip l2tp del tunnel tunnel_id 3000 2>/dev/null || true
ip l2tp add tunnel tunnel_id 3000 peer_tunnel_id 4000 \
	encap udp local 192.0.2.1 remote 192.0.2.2 \
	udp_sport 5000 udp_dport 6000
ip l2tp add session tunnel_id 3000 session_id 1000 peer_session_id 2000
ip link set l2tpeth0 up mtu 1446
ip addr add 10.42.1.1 peer 10.42.1.2 dev l2tpeth0; ip route add 10.43.0.0/16 via 10.42.1.2 dev l2tpeth0
ip link add br0 type bridge && ip link set eth0 master br0

sudo ip l2tp add tunnel tunnel_id 7 peer_tunnel_id 8 encap ip local 2001:db8::1 remote 2001:db8::2
ip l2tp add session name vpn0 tunnel_id 7 session_id 0x10 peer_session_id 17 \
	cookie 12e9540fe26872bc peer_cookie 742e28a8 l2spec_type none
ip l2tp add session name vpn1 tid 7 sid 18 psid 19 seq both
ip link set dev vpn0 address 02:00:00:00:00:01 master br0 txqueuelen 1000 up
ip link set vpn1 netns blue
ip -n blue addr add "fd78::1/64" dev vpn1
ip netns exec blue ip addr add 10.78.0.1/24 brd + dev vpn1
ip addr add $ADDRESS dev vpn0
ip link set vpn0 down
