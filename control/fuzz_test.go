package control

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"culvert/encap"
)

// FuzzMessage: what can be decoded survives being encoded and decoded again, and no cut of it is taken for the whole.
func FuzzMessage(f *testing.F) {
	for _, g := range goldenPackets(f) {
		f.Add(g.payload, g.transport == encap.TransportIP)
	}
	keys := DeriveKeys([]byte(goldenSecret))
	f.Fuzz(func(t *testing.T, b []byte, ip bool) {
		tr := encap.TransportUDP
		if ip {
			tr = encap.TransportIP
		}
		p, n, err := ParsePacket(tr, b)
		if n > len(b) || (n == 0) != (err != nil) {
			t.Fatalf("%d of %d bytes, error %v", n, len(b), err)
		}
		if err != nil {
			return
		}
		if _, _, err := ParsePacket(tr, b[:n-1]); err == nil {
			t.Fatal("taken without its last byte")
		}
		verify(p, []Keys{keys}, nonces{})
		m, err := p.Decode(Decoder{Keys: &keys})
		_ = m.String()
		if err != nil {
			return
		}
		m.Ignored = 0
		e := Encoder{Digests: []DigestType{DigestSHA1, DigestMD5}, Keys: &keys, Vector: []byte{1}, Hidden: []AVPType{AVPAssignedCookie, AVPDataSequencing}}
		again, n, err := ParsePacket(tr, onWire(tr, e.Append(nil, p.Header, &m)))
		if err != nil {
			t.Fatal(err)
		}
		m2, err := again.Decode(Decoder{Keys: &keys})
		if err != nil || again.Header != p.Header || n != len(again.raw)+len(onWire(tr, nil)) || !reflect.DeepEqual(m, m2) {
			t.Fatalf("error %v\n%+v became\n%+v", err, m, m2)
		}
	})
}

// FuzzAVPs: AVPs lie back to back and come out as they went in but for their reserved bits.
func FuzzAVPs(f *testing.F) {
	for _, g := range goldenPackets(f) {
		if p, _, err := ParsePacket(g.transport, g.payload); err == nil {
			f.Add(p.raw[HeaderLen:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			a, n, err := ParseAVP(b)
			if err != nil {
				if n != 0 {
					t.Fatalf("%d bytes with error %v", n, err)
				}
				return
			}
			want := bytes.Clone(b[:n])
			want[0] &= 0xc3
			if n < AVPHeaderLen || n > len(b) || a.Len() != n || !bytes.Equal(a.AppendTo(nil), want) {
				t.Fatalf("%x became %+v", b[:n], a)
			}
			b = b[n:]
		}
	})
}

// FuzzHidden: revealing never reads past its input, and undoes hiding.
func FuzzHidden(f *testing.F) {
	f.Add(uint16(65), []byte("vector"), unhex(f, "7fe0793c3f613b6be15783b233b7"), []byte{})
	f.Add(uint16(66), []byte("v"), bytes.Repeat([]byte{7}, 33), []byte("pad"))
	f.Fuzz(func(t *testing.T, typ uint16, vector, b, padding []byte) {
		keys := DeriveKeys([]byte(goldenSecret))
		if v, err := Reveal(AVPType(typ), keys.hide, vector, b); (err == nil) == (v == nil) || len(v) > max(0, len(b)-2) {
			t.Fatalf("%d bytes revealed of %d, error %v", len(v), len(b), err)
		}
		if len(b) > 0xffff {
			return
		}
		hidden := Hide(nil, AVPType(typ), keys.hide, vector, b, padding)
		if v, err := Reveal(AVPType(typ), keys.hide, vector, hidden); err != nil || !bytes.Equal(v, b) || len(hidden) != 2+len(b)+len(padding) {
			t.Fatalf("%x became %x, error %v", b, v, err)
		}
	})
}

// FuzzEndpoint lets a peer, a connection of which is up, send anything with the right header, and a stranger send it as
// it is: nothing may panic, what is kept stays bounded, and what is ended is forgotten.
func FuzzEndpoint(f *testing.F) {
	for _, g := range goldenPackets(f) {
		if p, _, err := ParsePacket(g.transport, g.payload); err == nil {
			f.Add(p.raw[HeaderLen:], uint8(0))
			f.Add(p.raw[HeaderLen:], uint8(7))
		}
	}
	for _, m := range []Message{icrq(5, "x"), iccn(5, 0), icrq(6, "y")} {
		f.Add((&Encoder{}).Append(nil, Header{}, &m)[HeaderLen:], uint8(3))
	}
	f.Fuzz(func(t *testing.T, avps []byte, how uint8) {
		if len(avps) > 4096 {
			return
		}
		p := testProfile("n")
		p.MaxSessions = 2
		h, n := newHand(t, p)
		c := h.connect()
		if how&1 != 0 {
			n.open(t, c, Call{RemoteEndID: "x", TieBreaker: how&8 != 0})
			n.open(t, c, Call{RemoteEndID: "y", Outgoing: true})
		}
		for range 3 {
			h.nr = c.send.next
			b := append(appendHeader(nil, Header{h.remote, h.ns, h.nr}), avps...)
			b[2], b[3] = byte(len(b)>>8), byte(len(b))
			if how&2 != 0 {
				h.ns++
			}
			n.Receive(n.w.now, h.path, b)
			n.collect()
			if how&4 != 0 {
				n.w.run(30*time.Second, nil)
			}
			b[4], b[5], b[6], b[7] = 0, 0, 0, 0 // as a stranger
			n.Receive(n.w.now, h.path, b)
			n.collect()
			if len(n.sessions) > 4 || len(n.Endpoint.conns) > 5 || c.recv.held > defaultWindow {
				t.Fatalf("%d sessions, %d connections", len(n.sessions), len(n.Endpoint.conns))
			}
		}
		for _, c := range n.Endpoint.conns {
			c.Close(n.w.now, Result{Code: StopShutdown})
		}
		n.collect()
		if n.w.run(5*time.Minute, nil); len(n.Endpoint.conns)+len(n.sessions)+len(n.requests)+len(n.dialing)+len(n.peers)+len(n.timers)+n.halfOpen != 0 || n.w.fault != "" {
			t.Fatalf("%d connections, %d sessions, %d half open left %s", len(n.Endpoint.conns), len(n.sessions), n.halfOpen, n.w.fault)
		}
	})
}
