package ipv6link

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// FuzzParse: what is taken is inside the packet, no prefix of a packet is taken, and nothing is written to.
func FuzzParse(f *testing.F) {
	f.Add(solicitation(them, 1, 1, 2, 0, 0, 0, 0, 1))
	f.Add(query(message(solicit, from(clientA), pd(1), askDNS).ToBytes()))
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		p, ok := parse(b)
		if !bytes.Equal(b, kept) {
			t.Fatal("wrote to the packet")
		}
		if !ok {
			return
		}
		if len(p.message) > len(b)-48 && !p.solicitation || p.source.IsMulticast() {
			t.Fatalf("%+v of %d bytes", p, len(b))
		}
		for n := range min(len(b), 48) {
			if _, ok := parse(b[:n]); ok {
				t.Fatalf("prefix of %d bytes taken", n)
			}
		}
	})
}

// FuzzServer gives any message to a server and looks at what comes out: at most one answer for each, which parses, is
// ours and not much larger than the request; the prefixes lent and routed always agree (rig.drain).
func FuzzServer(f *testing.F) {
	for _, kind := range []dhcpv6.MessageType{solicit, request, confirm, renew, rebind, release, decline, inform} {
		for _, o := range [][]option{
			{from(clientA), pd(1), askDNS},
			{from(clientA), toUs, pd(1, prefix0)},
			{from(clientB), pd(1), rapid},
			{askDNS},
			{from(clientA), na(1, "2001:db8:0:7::5"), ta(2)},
		} {
			f.Add(message(kind, o...).ToBytes(), uint8(0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, empty uint8) {
		if len(b) > 1200 {
			return
		}
		r := newRig(t, func(o *Options) {
			if empty == 1 {
				o.Delegate = func() (netip.Prefix, error) { return netip.Prefix{}, errors.New("none") }
			}
		}).up()
		for range 2 {
			r.clear()
			r.in(query(b))
			if len(r.sent) > 1 {
				t.Fatalf("%d answers", len(r.sent))
			}
			for _, a := range r.sent {
				m, err := dhcpv6.MessageFromBytes(a[48:])
				if err != nil || m.MessageType != dhcpv6.MessageTypeReply && m.MessageType != dhcpv6.MessageTypeAdvertise {
					t.Fatalf("answer % x: %v", a, err)
				}
				if len(a) > len(b)+300 {
					t.Fatalf("%d bytes answer %d", len(a), len(b))
				}
			}
			r.advance(time.Hour)
		}
	})
}
