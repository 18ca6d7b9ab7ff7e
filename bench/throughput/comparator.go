package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// comparator is a way from one end to the other.
type comparator struct {
	name  string // for flags and files
	title string // for people
	plain bool   // the veth itself
	needs string // program that must be there: "", "wireguard", "fastd"
	setup func(ctx context.Context, l *lab, t *tunnel, e *end) error
}

func (c comparator) key() string { return c.name }

// baseline is what ratios are to.
const baseline = "vxlan"

// allComparators are the ways that can be measured, in the order of reports.
func allComparators() []comparator {
	return []comparator{
		{name: "veth", title: "plain veth", plain: true, setup: func(context.Context, *lab, *tunnel, *end) error { return nil }},
		{name: baseline, title: "kernel VXLAN", setup: setupVXLAN},
		{name: "culvert-ppp-udp", title: "culvert PPP/UDP", setup: setupCulvert(session{transport: "udp", pseudowire: "ppp"})},
		{name: "culvert-eth-udp", title: "culvert Ethernet/UDP", setup: setupCulvert(session{transport: "udp", pseudowire: "eth"})},
		{name: "culvert-ppp-ip", title: "culvert PPP/IP 115", setup: setupCulvert(session{transport: "ip", pseudowire: "ppp"})},
		{name: "culvert-seq", title: "culvert PPP/UDP, numbered", setup: setupCulvert(session{transport: "udp", pseudowire: "ppp", numbered: true})},
		{name: "wireguard-go", title: "wireguard-go", needs: "wireguard", setup: setupWireguard},
		{name: "fastd", title: "fastd null", needs: "fastd", setup: setupFastd},
	}
}

// secondCulvert is the binary of -against.
var secondCulvert = comparator{
	name: "culvert-against", title: "other culvert PPP/UDP", setup: setupCulvert(session{transport: "udp", pseudowire: "ppp", second: true}),
}

// finishDevice waits for a tunnel's device, gives it its address and MTU and brings it up.
func (l *lab) finishDevice(ctx context.Context, t *tunnel, e *end) error {
	if err := e.ns.Await(ctx, t.device(), linkWait); err != nil {
		return err
	}
	if err := e.ns.SetMTU(t.device(), l.mtu); err != nil {
		return err
	}
	if err := e.ns.Address(t.device(), netip.PrefixFrom(t.inner(e), 24)); err != nil {
		return err
	}
	return e.ns.Up(t.device())
}

// other is the end that is not e.
func (l *lab) other(e *end) *end { return l.ends[2-e.number] }

// setupVXLAN leaves everything at ip-link(8)'s defaults: outer UDP checksums are on.
func setupVXLAN(ctx context.Context, l *lab, t *tunnel, e *end) error {
	_, err := e.ns.Run(ctx, "ip", "link", "add", t.device(), "type", "vxlan", "id", fmt.Sprint(t.index),
		"local", e.under.String(), "remote", l.other(e).under.String(), "dstport", "4789", "dev", veth)
	if err != nil {
		return err
	}
	return l.finishDevice(ctx, t, e)
}

// session is the kinds of culvert sessions that are measured.
type session struct {
	transport, pseudowire string
	numbered              bool
	second                bool // run the binary of -against
}

func setupCulvert(s session) func(ctx context.Context, l *lab, t *tunnel, e *end) error {
	return func(_ context.Context, l *lab, t *tunnel, e *end) error {
		base := filepath.Join(l.dir, fmt.Sprintf("%s-%d", t.name, e.number))
		if err := os.WriteFile(base+".toml", []byte(s.config(l, t, e, base+".sock")), 0o600); err != nil {
			return err
		}
		exe := l.exe.culvert
		if s.second {
			exe = l.exe.against
		}
		p, err := l.start(e, fmt.Sprintf("%s (end %d)", t.name, e.number), nil, exe, "run", "--config", base+".toml")
		if err == nil {
			t.pids = append(t.pids, p.PID())
		}
		return err
	}
}

// cookies are the 64-bit cookies in what each end expects.
var cookies = [2]string{
	"[0xa1, 0x5c, 0x0e, 0x93, 0x47, 0xd8, 0x2b, 0x6f]",
	"[0x3d, 0xf2, 0x81, 0x19, 0xc6, 0x70, 0xbe, 0x54]",
}

// config is the configuration of one end, with everything that affects speed at its default but the MTU.
func (s session) config(l *lab, t *tunnel, e *end, socket string) string {
	o := l.other(e)
	local, peer := e.under.String(), o.under.String()
	if s.transport == "udp" {
		local, peer = fmt.Sprintf("%s:%d", local, 1701+t.index), fmt.Sprintf("%s:%d", peer, 1701+t.index)
	}
	text := fmt.Sprintf(`log_level = "warn"
[api]
socket = %q
[devices]
group = %d
[tunnel.t]
version = "l2tpv3"
encap = %q
local = %q
peer = %q
tid = %d
ptid = %d
[tunnel.t.session.s]
sid = %d
psid = %d
cookie = %s
peer_cookie = %s
interface_name = %q
pseudowire = %q
mtu = %d
`, socket, 1701000+t.index, s.transport, local, peer, e.number, o.number, 1000*t.index+e.number, 1000*t.index+o.number,
		cookies[o.number-1], cookies[e.number-1], t.device(), s.pseudowire, l.mtu)
	if s.numbered {
		text += "l2spec_type = \"default\"\nseqnum = true\n"
	}
	if s.pseudowire == "eth" {
		return text + fmt.Sprintf("addresses = [\"%s/24\"]\n", t.inner(e))
	}
	return text + fmt.Sprintf("ppp_profile = \"p\"\n[ppp.p]\nipv6 = false\nmru = %d\nlocal_address = %q\npeer_address = %q\n",
		l.mtu, t.inner(e), t.inner(o))
}
