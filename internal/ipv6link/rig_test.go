package ipv6link

import (
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

// epoch is where virtual time begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	us       = netip.MustParseAddr("fe80::1")
	them     = netip.MustParseAddr("fe80::2")
	linkNet  = netip.MustParsePrefix("2001:db8:0:7::/64")
	serverID = []byte{0, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
)

func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

func testConfig() *Config {
	return &Config{
		Interval: DefaultInterval, RouterLifetime: 3 * DefaultInterval, Preferred: DefaultPreferred, Valid: DefaultValid,
		DNS: []netip.Addr{netip.MustParseAddr("2001:db8::53")},
	}
}

var errNone = errors.New("none left")

// rig is a Link and a pool of /56 prefixes.
type rig struct {
	t      testing.TB
	l      *Link
	now    time.Time
	free   []netip.Prefix
	lent   []netip.Prefix
	routes []netip.Prefix
	sent   [][]byte // since the last clear
	at     []time.Time
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, now: epoch, free: []netip.Prefix{netip.MustParsePrefix("2001:db8:100::/56"), netip.MustParsePrefix("2001:db8:100:100::/56")}}
	o := Options{Config: testConfig(), Server: serverID, Random: seeded(1), Delegate: r.delegate}
	if change != nil {
		change(&o)
	}
	r.l = NewLink(o)
	return r
}

func (r *rig) delegate() (netip.Prefix, error) {
	if len(r.free) == 0 {
		return netip.Prefix{}, errNone
	}
	p := r.free[0]
	r.free, r.lent = r.free[1:], append(r.lent, p)
	return p, nil
}

func (r *rig) up() *rig {
	r.t.Helper()
	r.l.Up(r.now, State{Local: us, Prefix: linkNet, MTU: 1452})
	r.drain()
	return r
}

// drain carries out what the link wants done and checks it.
func (r *rig) drain() {
	r.t.Helper()
	drop := func(list []netip.Prefix, p netip.Prefix, what string) []netip.Prefix {
		r.t.Helper()
		for i, q := range list {
			if q == p {
				return append(list[:i:i], list[i+1:]...)
			}
		}
		r.t.Fatalf("%s: %s is not there: %v", what, p, list)
		return nil
	}
	for _, a := range r.l.Take() {
		switch a := a.(type) {
		case Send:
			checkPacket(r.t, a.Packet)
			r.sent, r.at = append(r.sent, a.Packet), append(r.at, r.now)
		case AddRoute:
			r.routes = append(r.routes, a.Prefix)
		case RemoveRoute:
			r.routes = drop(r.routes, a.Prefix, "route")
		case Return:
			r.lent = drop(r.lent, a.Prefix, "prefix")
			r.free = append(r.free, a.Prefix)
		}
	}
	if len(r.lent) > 1 || len(r.routes) > len(r.lent) {
		r.t.Fatalf("lent %v, routes %v", r.lent, r.routes)
	}
	if got := r.l.Delegated(); got.IsValid() != (len(r.routes) == 1) {
		r.t.Fatalf("delegated %s, routes %v", got, r.routes)
	}
}

// checkPacket looks at what every packet of ours must be.
func checkPacket(t testing.TB, b []byte) {
	t.Helper()
	p := encap.IPv6(b)
	if !p.Valid() || len(b) != encap.IPv6Len+p.PayloadLength() || p.Source() != us || p.HopLimit() != 255 || len(b) > 1452 {
		t.Fatalf("packet % x", b)
	}
	if sum := encap.Checksum(p.Payload(), p.PseudoHeaderSum(p.NextHeader(), p.PayloadLength())); sum != 0xffff {
		t.Fatalf("checksum %04x of % x", sum, b)
	}
}

func (r *rig) clear() { r.sent, r.at = nil, nil }

func (r *rig) in(packet []byte) {
	r.t.Helper()
	r.l.Input(r.now, packet)
	r.drain()
}

// advance lets virtual time pass.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		next := r.l.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(r.now) {
			r.now = next
		}
		r.l.Tick(r.now)
		r.drain()
	}
	r.now = end
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// solicitation is a Router Solicitation with options behind it.
func solicitation(from netip.Addr, options ...byte) []byte {
	return build(from, allRouters, encap.ProtocolICMPv6, append([]byte{133, 0, 0, 0, 0, 0, 0, 0}, options...), 2)
}
