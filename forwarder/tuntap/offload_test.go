package tuntap

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOffloadSets(t *testing.T) {
	for _, c := range []struct {
		o, possible Offload
		text        string
	}{
		{0, 0, "none"},
		{OffloadAll, OffloadAll, "csum,tso4,tso6,ecn,uso4,uso6"},
		{OffloadTSO4, 0, "tso4"},
		{OffloadChecksum | OffloadECN, OffloadChecksum, "csum,ecn"},
		{OffloadChecksum | OffloadTSO6 | OffloadECN, OffloadChecksum | OffloadTSO6 | OffloadECN, "csum,tso6,ecn"},
		{OffloadChecksum | OffloadUSO4, OffloadChecksum, "csum,uso4"},
		{OffloadChecksum | 0x1010, OffloadChecksum, "csum,0x1010"},
	} {
		if got := c.o.possible(); got != c.possible {
			t.Errorf("%v: possible %v, want %v", c.o, got, c.possible)
		}
		if got := c.o.String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
	}
	// Giving up ends, and gives up something each time.
	o := OffloadAll
	for _, g := range giveUp {
		n := (o &^ g).possible()
		if n == o {
			t.Errorf("giving up %v changes nothing of %v", g, o)
		}
		o = n
	}
	if o != 0 {
		t.Errorf("%v remains", o)
	}
}

// TestSetOffload: what this kernel has, switched on and off again.
func TestSetOffload(t *testing.T) {
	ns, _ := newNetNS(t)
	d := mustCreate(t, Config{Name: "off0", NetNS: ns})
	got, err := d.Queue().SetOffload(OffloadAll)
	must(t, err)
	t.Logf("this kernel has %v", got)
	if least := OffloadChecksum | OffloadTSO4 | OffloadTSO6 | OffloadECN; got&least != least {
		t.Errorf("only %v", got)
	}
	for _, want := range []Offload{OffloadChecksum, OffloadChecksum | OffloadTSO4, 0} {
		if got, err = d.Queue().SetOffload(want); err != nil || got != want {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	must(t, d.Close())
	if _, err := d.Queue().SetOffload(OffloadAll); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestNoOffload: a stand-in of a test has none, and that is no error.
func TestNoOffload(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	for _, fd := range fds {
		q := NewQueue(fd)
		if got, err := q.SetOffload(OffloadAll); got != 0 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		must(t, q.Close())
	}
}

func TestGSOLimits(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "off0", NetNS: ns})
	must(t, d.SetGSOMaxSegs(46))
	must(t, d.SetGSOMaxSize(60000))
	a := link(t, h, "off0").Attrs()
	if a.GSOMaxSegs != 46 || a.GSOMaxSize != 60000 {
		t.Errorf("gso_max_segs %d, gso_max_size %d", a.GSOMaxSegs, a.GSOMaxSize)
	}
	for _, n := range []int{0, -1, 65537} {
		wantErr(t, d.SetGSOMaxSegs(n), ErrConfig)
		wantErr(t, d.SetGSOMaxSize(n), ErrConfig)
	}
	must(t, d.Close())
	wantErr(t, d.SetGSOMaxSegs(46), ErrClosed)
	wantErr(t, d.SetGSOMaxSize(6000), ErrClosed)
}

func TestVnetHeaderSet(t *testing.T) {
	h := VnetHeader(make([]byte, HeaderLen))
	h.Set(1, 0x84, 0x102, 0x304, 0x506, 0x708)
	if h.Flags() != 1 || h.GSOType() != 0x84 || h.HdrLen() != 0x102 || h.GSOSize() != 0x304 || h.CsumStart() != 0x506 || h.CsumOffset() != 0x708 {
		t.Errorf("% x", []byte(h))
	}
}
