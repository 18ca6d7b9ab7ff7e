package control

import (
	"bytes"
	"reflect"
	"testing"

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
