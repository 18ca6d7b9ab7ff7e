package snapshot

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// thing has a field of every kind.
type thing struct {
	A    uint8
	B    int64
	C    bool
	D    [4]byte
	E    []byte
	F    string
	G, H time.Time
	I    netip.Addr
	J    netip.AddrPort
	K    netip.Prefix
	L    []thing
	M    *thing
}

func (x *thing) fields(c *Codec) {
	Limited(c, &x.A, 200, "A")
	Int(c, &x.B)
	c.Bool(&x.C)
	c.Fixed(x.D[:])
	c.Blob(&x.E)
	c.String(&x.F)
	c.Time(&x.G)
	c.Time(&x.H)
	c.Addr(&x.I)
	c.AddrPort(&x.J)
	c.Prefix(&x.K)
	Slice(c, &x.L, func(y *thing) { y.fields(c) })
	Maybe(c, &x.M, func(y *thing) { y.fields(c) })
}

var epoch = time.Unix(1e9, 0)

func full() thing {
	x := thing{
		A: 200, B: -5, C: true, D: [4]byte{1, 2, 3, 4}, E: []byte("blob"), F: "text", G: epoch.Add(-time.Hour),
		I: netip.MustParseAddr("fe80::1%eth0"), J: netip.MustParseAddrPort("192.0.2.1:1701"), K: netip.MustParsePrefix("10.0.0.0/8"),
	}
	x.L = []thing{{A: 1}, {F: "second"}}
	x.M = &thing{H: epoch.Add(time.Nanosecond)}
	return x
}

func encode(x thing) []byte {
	w := NewWriter(epoch)
	x.fields(w)
	return w.Bytes()
}

// TestRoundTrip: what is written is read, with times as far from now as they were.
func TestRoundTrip(t *testing.T) {
	x := full()
	var y thing
	r := NewReader(encode(x), epoch.Add(time.Hour))
	y.fields(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	x.G, x.M.H = x.G.Add(time.Hour), x.M.H.Add(time.Hour)
	if d := cmp.Diff(x, y, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); d != "" {
		t.Error(d)
	}
}

// TestBodyIsCut: every cut is an error.
func TestBodyIsCut(t *testing.T) {
	b := encode(full())
	for n := range b {
		var y thing
		r := NewReader(b[:n], epoch)
		y.fields(r)
		if err := r.Close(); !errors.Is(err, ErrBody) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	var y thing
	r := NewReader(append(b, 0), epoch)
	y.fields(r)
	if err := r.Close(); !errors.Is(err, ErrBody) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestEnvelope: another version, a cut and a changed bit are told apart.
func TestEnvelope(t *testing.T) {
	body := []byte("the state")
	sealed := Seal(body)
	if got, err := Open(sealed); err != nil || !bytes.Equal(got, body) {
		t.Fatalf("%q, %v", got, err)
	}
	for n := range sealed {
		if _, err := Open(sealed[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for i, want := range map[int]error{0: ErrNoSnapshot, len(magic) + 3: ErrVersion, len(sealed) - 1: ErrChecksum, headerLen - 1: ErrChecksum} {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		if _, err := Open(b); !errors.Is(err, want) {
			t.Errorf("byte %d: %v, want %v", i, err, want)
		}
	}
	if _, err := Open(append(bytes.Clone(sealed), 0)); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("a byte more: %v", err)
	}
}

// FuzzCodec: whatever can be read is written again as it was.
func FuzzCodec(f *testing.F) {
	f.Add(encode(full()))
	f.Add(encode(thing{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x thing
		r := NewReader(b, epoch)
		x.fields(r)
		if r.Close() == nil && !bytes.Equal(encode(x), b) {
			t.Errorf("%x became %x", b, encode(x))
		}
	})
}

// FuzzOpen: what opens is what Seal makes.
func FuzzOpen(f *testing.F) {
	f.Add(Seal([]byte("the state")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, err := Open(b); err == nil && !bytes.Equal(Seal(body), b) {
			t.Errorf("%x", b)
		}
	})
}
