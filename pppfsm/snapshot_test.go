package pppfsm

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"culvert/snapshot"
)

// take writes a link as a snapshot.
func take(tb testing.TB, l *Link, now time.Time) []byte {
	tb.Helper()
	w := snapshot.NewWriter(now)
	l.Snapshot(w)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return w.Bytes()
}

// revived is a new link that goes on where a snapshot was taken.
func revived(tb testing.TB, cfg *Config, b []byte, now time.Time) *Link {
	tb.Helper()
	l := NewLinkOf(cfg, seeded(77))
	r := snapshot.NewReader(b, now)
	l.Snapshot(r)
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	return l
}

// TestSnapshotMidway: two links of which one is replaced by its snapshot after every frame come up as if nothing had
// been, and stay up.
func TestSnapshotMidway(t *testing.T) {
	for name, cfg := range map[string][2]Config{
		"plain":    {full4(1), full4(2)},
		"chap":     authed(AuthCHAP),
		"mschapv2": authed(AuthMSCHAPv2),
		"pap":      authed(AuthPAP),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(5, weather{delay: 10 * time.Millisecond}, cfg[0], cfg[1])
			for i, l := range d.links {
				l.Open(d.now)
				l.Up(d.now)
				d.collect(i)
			}
			step := 17 * time.Millisecond
			if cfg[0].Auth != nil { // verdicts are on their way for as long
				step = 4001 * time.Millisecond
			}
			for at := time.Duration(0); at < 90*time.Second; at += step {
				d.run(at)
				for i, l := range d.links {
					old := *l
					b := take(t, l, d.now)
					if !reflect.DeepEqual(old, *l) {
						t.Fatal("taking a snapshot changes the link")
					}
					n := revived(t, l.cfg, b, d.now)
					if !bytes.Equal(take(t, n, d.now), b) {
						t.Fatal("the revived link has another snapshot")
					}
					d.links[i] = n
				}
			}
			if d.fault != "" || !d.open[0] || !d.open[1] {
				t.Fatalf("open %v, %s", d.open, d.fault)
			}
			if got := d.links[0].Status().Counters.FramesIn; got < 3 {
				t.Errorf("%d frames counted", got)
			}
		})
	}
}

// authed are two ends of which one proves itself to the other.
func authed(m AuthMethod) [2]Config {
	return [2]Config{{Auth: duelAuth(0, []AuthMethod{m}, nil, true)}, {Auth: duelAuth(1, nil, []AuthMethod{m}, true)}}
}

// full4 is a Config with an address, a keepalive and timeouts.
func full4(host byte) Config {
	return Config{
		IPv4: true, IPv6: true, LocalAddress: addrOf([4]byte{10, 0, 0, host}), EchoInterval: 10 * time.Second, EchoFailures: 3,
		IdleTimeout: 2 * time.Hour, SessionTimeout: 3 * time.Hour,
	}
}

// FuzzSnapshot: what is taken for a snapshot is one, is written as it was, and the link made of it does not panic.
func FuzzSnapshot(f *testing.F) {
	cfg := demanding(AuthCHAP, AuthPAP)
	cfg.IPv4, cfg.IPv6, cfg.EchoInterval = true, true, time.Second
	n := cfg.Normal()
	l := NewLinkOf(n, seeded(1))
	f.Add(take(f, l, epoch))
	l.Open(epoch)
	l.Up(epoch)
	f.Add(take(f, l, epoch))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLinkOf(n, seeded(1))
		r := snapshot.NewReader(b, epoch)
		l.Snapshot(r)
		if r.Close() != nil {
			return
		}
		if again := take(t, l, epoch); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
		now := epoch
		for range 20 {
			now = now.Add(time.Second)
			l.Tick(now)
			l.Input(now, frame(0xc021, CodeConfigureRequest, 1, nil))
			l.Input(now, frame(0xc021, CodeConfigureAck, l.lcp.reqID, l.lcp.sent[:l.lcp.sentLen]))
			l.Take()
			_ = l.Status()
		}
	})
}
