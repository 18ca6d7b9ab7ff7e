package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"culvert/internal/netlab"
	"culvert/internal/testenv"
)

// pair is two namespaces joined by a veth, with a sink in the far one.
type pair struct {
	near    *netlab.Namespace
	reports chan Report
}

func newPair(t *testing.T) pair {
	t.Helper()
	testenv.RequireNetns(t)
	var both [2]*netlab.Namespace
	for i := range both {
		n, err := netlab.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		both[i] = n
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(both[0].Join(both[1], "cvbench", 1500))
	for i, n := range both {
		must(n.Address("cvbench", netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24)))
		must(n.Address("cvbench", netip.MustParsePrefix([]string{"2001:db8::1/64", "2001:db8::2/64"}[i])))
		must(n.Up("cvbench"))
	}
	p := pair{near: both[0], reports: make(chan Report, 64)}
	var sink *Sink
	must(both[1].Do(func() (err error) {
		sink, err = NewSink(netip.AddrPortFrom(netip.IPv6Unspecified(), DefaultPort), func(r Report) { p.reports <- r })
		return err
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- sink.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// far is the sink's address.
func far(v6 bool) netip.AddrPort {
	if v6 {
		return netip.MustParseAddrPort("[2001:db8::2]:5301")
	}
	return netip.MustParseAddrPort("192.0.2.2:5301")
}

// generator makes a generator in the near namespace.
func (p pair) generator(t *testing.T, cfg GeneratorConfig) *Generator {
	t.Helper()
	var g *Generator
	err := p.near.Do(func() (err error) {
		g, err = NewGenerator(t.Context(), cfg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestGenerateOverVeth(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("veth", func(t *testing.T) {
		p := newPair(t)
		small, _ := Fixed(64)
		large, _ := Fixed(1500)
		mix, _ := IMIX(1500)
		for _, cfg := range []GeneratorConfig{
			{To: far(false), Profile: small},
			{To: far(true), Profile: small, Flows: 7},
			{To: far(false), Profile: mix, Flows: 2},
			{To: far(true), Profile: large},
			{To: far(false), Profile: small, GSO: MaxSegments},
			{To: far(true), Profile: small, GSO: 10, GRO: true, Flows: 3},
		} {
			g := p.generator(t, cfg)
			r, err := g.Run(t.Context(), 20_000, 200*time.Millisecond)
			if err != nil {
				t.Fatalf("%+v: %v", cfg, err)
			}
			// a shared machine may be late, but sends no more than asked for; nothing is lost on a veth at this rate
			if r.Sent < 400 || r.Sent > 4600 || r.Received != r.Sent || r.Lost != 0 || r.Duplicated != 0 || r.Reordered != 0 {
				t.Errorf("%+v: %+v", cfg, r)
			}
			if got := <-p.reports; got.Sent != r.Sent || got.Received != r.Received || got.Trial != g.trialID {
				t.Errorf("the sink saw %+v, the generator %+v", got, r)
			}
			g.Close()
		}
	})
}

func TestSearchOverVeth(t *testing.T) {
	p := newPair(t)
	large, _ := Fixed(1500)
	g := p.generator(t, GeneratorConfig{To: far(false), Profile: large, PIDs: []int{1}})
	found, err := Search(SearchConfig{MaxTrials: 4}, func(rate float64) (Result, error) {
		return g.Run(t.Context(), rate, 100*time.Millisecond)
	})
	if err != nil && !errors.Is(err, ErrLossy) { // a busy machine may lose some at every one of four rates
		t.Fatal(err)
	}
	if err == nil && (found.Best.Rate < 1000 || found.Best.Loss > 0.001) {
		t.Errorf("%+v", found)
	}
}

func TestPingOverVeth(t *testing.T) {
	p := newPair(t)
	for _, v6 := range []bool{false, true} {
		var l Latency
		err := p.near.Do(func() (err error) {
			l, err = Ping(t.Context(), PingConfig{To: far(v6), Duration: 5 * time.Second, Count: 50, Size: 200})
			return err
		})
		if err != nil || l.Sent != 50 || l.Received < 45 || l.P50 <= 0 || l.P50 > l.P99 {
			t.Errorf("IPv6 %v: %+v, %v", v6, l, err)
		}
	}
	err := p.near.Do(func() error {
		_, err := Ping(t.Context(), PingConfig{To: netip.MustParseAddrPort("192.0.2.2:4000"), Duration: 50 * time.Millisecond, Wait: 20 * time.Millisecond})
		return err
	})
	if !errors.Is(err, ErrNoReply) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestGeneratorStops(t *testing.T) {
	p := newPair(t)
	small, _ := Fixed(64)
	g := p.generator(t, GeneratorConfig{To: far(false), Profile: small})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := g.Run(ctx, 1000, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if _, err := g.Run(t.Context(), 1000, maxDuration+1); !errors.Is(err, ErrDuration) {
		t.Error(err)
	}
}

// TestSinkRefuses talks to a sink as no generator does.
func TestSinkRefuses(t *testing.T) {
	p := newPair(t)
	dial := func() net.Conn {
		var c net.Conn
		err := p.near.Do(func() (err error) {
			c, err = net.Dial("tcp", far(false).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		return c
	}
	say := func(c net.Conn, text string) string {
		if _, err := c.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
		var b [512]byte
		n, err := c.Read(b[:])
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	first, second := dial(), dial()
	for _, bad := range []string{"", "{", `{"op":"end"}`, `{"op":"begin","flows":0}`, `{"op":"begin","flows":257}`, `{"op":"dance"}`} {
		if got := say(first, bad); !strings.Contains(got, `"error"`) {
			t.Errorf("%q: %q", bad, got)
		}
	}
	if got := say(first, `{"op":"begin","trial":1,"flows":1}`); strings.Contains(got, `"error"`) {
		t.Errorf("begin: %q", got)
	}
	if got := say(second, `{"op":"begin","trial":2,"flows":1}`); !strings.Contains(got, "busy") {
		t.Errorf("second begin: %q", got)
	}
	if got := say(first, `{"op":"end","trial":9}`); !strings.Contains(got, `"error"`) {
		t.Errorf("end of another trial: %q", got)
	}
	_ = first.Close() // gives the trial up
	for range 50 {
		if got := say(second, `{"op":"begin","trial":2,"flows":1}`); !strings.Contains(got, `"error"`) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the sink stays busy after its generator has gone")
}

func TestBadGenerators(t *testing.T) {
	small, _ := Fixed(64)
	mix, _ := IMIX(1500)
	to := netip.MustParseAddrPort("127.0.0.1:9")
	for _, cfg := range []GeneratorConfig{
		{To: to},
		{To: to, Profile: small, Flows: 257},
		{To: to, Profile: small, Flows: -1},
		{To: to, Profile: small, GSO: 1},
		{To: to, Profile: small, GSO: MaxSegments + 1},
		{To: to, Profile: mix, GSO: 8},
	} {
		if g, err := NewGenerator(t.Context(), cfg); err == nil {
			g.Close()
			t.Errorf("%+v accepted", cfg)
		}
	}
	if _, err := NewSink(netip.MustParseAddrPort("127.0.0.1:65535"), nil); err == nil {
		t.Error("a sink without a next port")
	}
}
