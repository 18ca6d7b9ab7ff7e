package bridge

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"culvert/internal/testenv"
)

type site struct{ name string }

// frame is an Ethernet frame between two addresses, with a tag where vlan is not negative.
func frame(dst, src uint64, vlan int) []byte {
	var d, s [8]byte
	binary.BigEndian.PutUint64(d[:], dst)
	binary.BigEndian.PutUint64(s[:], src)
	b := append(append([]byte{}, d[2:]...), s[2:]...)
	if vlan >= 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), uint16(vlan)|0x6000)
	}
	return append(b, 0x88, 0xb5, 1, 2, 3, 4)
}

func newTestBridge(change func(*Config)) *Bridge[site] {
	c := Config{MaxMACs: 100, Aging: 300 * time.Second}
	if change != nil {
		change(&c)
	}
	return New[site](c)
}

func (b *Bridge[O]) port(owner *O, isolated bool, limit int) *Port[O] {
	p := NewPort(owner, isolated, limit)
	b.Add(p)
	return p
}

const (
	hostA, hostB, hostC = 0x020000000001, 0x020000000002, 0x020000000003
	broadcast           = 0xffffffffffff
)

func expect(t *testing.T, b *Bridge[site], p *Port[site], f []byte, to *Port[site], v Verdict) {
	t.Helper()
	if gotTo, got := b.Decide(p, f); got != v || gotTo != to {
		t.Fatalf("verdict %d to %p, want %d to %p", got, gotTo, v, to)
	}
}

// TestLearning: an address goes where it was seen last, in its own VLAN only.
func TestLearning(t *testing.T) {
	b := newTestBridge(nil)
	one, two := b.port(&site{"1"}, false, 9), b.port(&site{"2"}, false, 9)
	expect(t, b, one, frame(hostB, hostA, -1), nil, Flood)
	expect(t, b, b.Device(), frame(hostA, hostC, -1), one, Forward)
	expect(t, b, two, frame(hostC, hostB, 0), b.Device(), Forward) // priority-tagged is untagged
	expect(t, b, two, frame(hostA, hostB, 7), nil, Flood)          // another VLAN
	expect(t, b, two, frame(broadcast, hostB, -1), nil, Flood)
	expect(t, b, one, frame(hostA, hostA, -1), nil, SamePort)
	expect(t, b, two, frame(hostB, hostA, -1), nil, SamePort) // A has moved
	expect(t, b, b.Device(), frame(hostA, hostC, -1), two, Forward)
	expect(t, b, b.Device(), frame(hostB, hostA, -1), two, Forward) // to the device itself
	expect(t, b, one, frame(hostA, hostC, -1), b.Device(), Forward) // and C away from it
	if s := b.Stats(); s != (Stats{MACs: 4, Moved: 3, Flooded: 3}) {
		t.Errorf("%+v", s)
	}
}

func TestRefusedFrames(t *testing.T) {
	own := [6]byte{2, 0, 0, 0, 0, 9}
	b := newTestBridge(func(c *Config) { c.Own = own })
	p := b.port(&site{"1"}, true, 9)
	expect(t, b, p, frame(hostA, hostB, -1)[:13], nil, Short)
	expect(t, b, p, frame(hostA, 0, -1), nil, BadSource)
	expect(t, b, p, frame(hostA, broadcast, -1), nil, BadSource)
	expect(t, b, p, frame(hostA, 0x01005e000001, -1), nil, BadSource)
	expect(t, b, p, frame(broadcast, 0x020000000009, 5), nil, Spoofed)
	expect(t, b, b.Device(), frame(broadcast, 0x020000000009, 5), nil, Flood)
	for last := range uint64(16) {
		expect(t, b, p, frame(0x0180c2000000+last, hostA, -1), nil, Reserved)
	}
	expect(t, b, p, frame(0x0180c2000010, hostA, -1), nil, Flood)
	b.cfg.Reserved = true
	expect(t, b, p, frame(0x0180c2000000, hostA, -1), nil, Flood)
	expect(t, b, p, frame(0x0180c2000001, hostA, -1), nil, Reserved)
	expect(t, b, p, frame(0x0180c200000e, hostA, -1), nil, Flood)
}

func reached(b *Bridge[site], p *Port[site]) (names []string) {
	b.Each(p, func(s *site) { names = append(names, s.name) })
	slices.Sort(names)
	if b.Reaches(p) != len(names) {
		names = append(names, "Reaches says otherwise")
	}
	return names
}

// TestIsolation: isolated ports exchange nothing with each other, and everything with all others.
func TestIsolation(t *testing.T) {
	b := newTestBridge(nil)
	i1, i2 := b.port(&site{"i1"}, true, 9), b.port(&site{"i2"}, true, 9)
	expect(t, b, i1, frame(broadcast, hostA, -1), nil, Flood)
	expect(t, b, i2, frame(hostA, hostB, -1), nil, Isolated)
	if got := reached(b, i1); got != nil {
		t.Errorf("i1 reaches %v", got)
	}
	open, other := b.port(&site{"o1"}, false, 9), b.port(&site{"o2"}, false, 9)
	for p, want := range map[*Port[site]][]string{
		i1: {"o1", "o2"}, open: {"i1", "i2", "o2"}, b.Device(): {"i1", "i2", "o1", "o2"},
	} {
		if got := reached(b, p); !slices.Equal(got, want) {
			t.Errorf("%v reach %v, want %v", p.owner, got, want)
		}
	}
	expect(t, b, open, frame(hostA, hostC, -1), i1, Forward)
	expect(t, b, i1, frame(hostC, hostA, -1), open, Forward)
	b.Remove(other)
	b.Remove(i1)
	expect(t, b, open, frame(hostA, hostC, -1), nil, Flood)
	if got := reached(b, open); !slices.Equal(got, []string{"i2"}) {
		t.Errorf("o1 reaches %v", got)
	}
	expect(t, b, i1, frame(hostC, hostA, -1), open, Forward) // on its way while it was removed
	if macs, _ := i1.Stats(); macs != 0 {
		t.Errorf("a port that is gone has learnt %d", macs)
	}
}

// TestBounds: what a port, or all together, may not have is not learnt and counted, and there is room again later.
func TestBounds(t *testing.T) {
	b := newTestBridge(func(c *Config) { c.MaxMACs = 3 })
	one, two := b.port(&site{"1"}, true, 2), b.port(&site{"2"}, true, 9)
	for i := range uint64(4) {
		expect(t, b, one, frame(broadcast, hostA+i, -1), nil, Flood)
		expect(t, b, two, frame(broadcast, hostA+16+i, -1), nil, Flood)
	}
	macs, refused := one.Stats()
	more, others := two.Stats()
	if macs != 2 || refused != 2 || more != 1 || others != 3 {
		t.Errorf("%d and %d addresses, %d and %d refused", macs, more, refused, others)
	}
	expect(t, b, two, frame(broadcast, hostA, -1), nil, Flood) // moves, which the table has room for
	if s := b.Stats(); s.MACs != 3 || s.Moved != 1 || s.Refused != 5 {
		t.Errorf("%+v", s)
	}
	b.Flush(two)
	expect(t, b, one, frame(broadcast, hostA+9, -1), nil, Flood)
	if macs, _ := one.Stats(); macs != 2 || b.Stats().MACs != 2 {
		t.Errorf("%d addresses, %+v", macs, b.Stats())
	}
}

// TestAging with a clock of its own: who is silent for the ageing time is forgotten, and nobody before.
func TestAging(t *testing.T) {
	b := newTestBridge(nil)
	p := b.port(&site{"1"}, true, 9)
	var seen time.Duration
	for now := time.Duration(0); now < 20*time.Minute; now += b.Tick() / 3 {
		b.Age(now)
		b.Decide(p, frame(broadcast, hostB, -1))
		if now <= 2*time.Minute {
			b.Decide(p, frame(broadcast, hostA, 3))
			seen = now
		}
		_, there := find(b, hostA, 3)
		if silent := now - seen; silent < 300*time.Second && !there || silent > 300*time.Second*9/8 && there {
			t.Fatalf("silent for %v, there %v", silent, there)
		}
		if m, ok := find(b, hostB, 0); !ok || m.Idle != 0 || m.Owner.name != "1" {
			t.Fatalf("who talks: %+v, there %v", m, ok)
		}
	}
}

func find(b *Bridge[site], mac uint64, vlan uint16) (MAC[site], bool) {
	for _, m := range b.MACs() {
		if keyOf(m.Addr[:], m.VLAN) == mac<<vlanBits|uint64(vlan) {
			return m, true
		}
	}
	return MAC[site]{}, false
}

// naive is a bridge as one would write it: maps, and time as it comes.
type naive struct {
	max   int
	table map[string]*place // address and VLAN, as text
	ports []*naivePort
}

type place struct {
	port *naivePort
	tick int
}

type naivePort struct {
	real     *Port[site]
	device   bool
	isolated bool
	limit    int
}

func (n *naive) at(p *naivePort) (count int) {
	for _, e := range n.table {
		if e.port == p {
			count++
		}
	}
	return count
}

// decide gives the one port, or those that a frame is flooded to.
func (n *naive) decide(p *naivePort, dst, src uint64, vlan, tick int) (to []*naivePort, v Verdict) {
	key := func(mac uint64) string { return fmt.Sprintf("%012x %d", mac, max(vlan, 0)) }
	if src == 0 || src>>40&1 == 1 {
		return nil, BadSource
	}
	if dst>>4 == 0x0180c200000 {
		return nil, Reserved
	}
	e := n.table[key(src)]
	switch {
	case e != nil && e.port == p:
		e.tick = tick
	case n.at(p) < p.limit && (e != nil || len(n.table) < n.max):
		n.table[key(src)] = &place{p, tick}
	}
	if e := n.table[key(dst)]; dst>>40&1 == 0 && e != nil {
		switch {
		case e.port == p:
			return nil, SamePort
		case e.port.isolated && p.isolated:
			return nil, Isolated
		}
		return []*naivePort{e.port}, Forward
	}
	for _, q := range n.ports {
		if q != p && (!q.isolated || !p.isolated) {
			to = append(to, q)
		}
	}
	return to, Flood
}

// TestAgainstNaive: whatever frames come from whatever ports, while ports come and go, fall silent and time passes, each
// goes where the naive bridge sends it, and both know the same.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		b := New[site](Config{MaxMACs: rapid.IntRange(1, 12).Draw(t, "max"), Aging: ticks * time.Second})
		device := &naivePort{real: b.Device(), device: true, limit: b.cfg.MaxMACs}
		n := &naive{max: b.cfg.MaxMACs, table: map[string]*place{}, ports: []*naivePort{device}}
		tick, names := 0, 0
		macs := []uint64{hostA, hostB, hostC, 0x02ff00000001, 0x020000010001, 0xfe0000000001, broadcast, 0x01005e000001, 0, 0x0180c2000002}
		for i := range uint64(10) {
			macs = append(macs, 0x060000000000+i<<8)
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 19).Draw(t, "what"); {
			case what == 0:
				p := &naivePort{isolated: rapid.Bool().Draw(t, "isolated"), limit: limit}
				names++
				p.real = b.port(&site{fmt.Sprint(names)}, p.isolated, limit)
				n.ports = append(n.ports, p)
			case what <= 2 && len(n.ports) > 1:
				i := rapid.IntRange(1, len(n.ports)-1).Draw(t, "port")
				p := n.ports[i]
				maps.DeleteFunc(n.table, func(_ string, e *place) bool { return e.port == p })
				if what == 1 {
					b.Remove(p.real)
					n.ports = slices.Delete(n.ports, i, i+1)
				} else {
					b.Flush(p.real)
				}
			case what <= 4:
				tick += rapid.IntRange(1, 8).Draw(t, "ticks")
				b.Age(time.Duration(tick) * b.Tick())
				maps.DeleteFunc(n.table, func(_ string, e *place) bool { return tick-e.tick > ticks })
			default:
				p := rapid.SampledFrom(n.ports).Draw(t, "from")
				dst, src := rapid.SampledFrom(macs).Draw(t, "dst"), rapid.SampledFrom(macs).Draw(t, "src")
				vlan := rapid.SampledFrom([]int{-1, -1, 0, 1, 4094}).Draw(t, "vlan")
				want, verdict := n.decide(p, dst, src, vlan, tick)
				to, v := b.Decide(p.real, frame(dst, src, vlan))
				if v != verdict || v == Forward && to != want[0].real {
					t.Fatalf("%012x to %012x, VLAN %d: verdict %d, want %d", src, dst, vlan, v, verdict)
				}
				if v == Flood {
					compareFlood(t, b, p, want)
				}
			}
			if got := len(b.MACs()); got != len(n.table) || b.Stats().MACs != uint64(got) {
				t.Fatalf("%d addresses, %d counted, want %d", got, b.Stats().MACs, len(n.table))
			}
			for _, p := range n.ports {
				if got, _ := p.real.Stats(); got != n.at(p) {
					t.Fatalf("a port has %d addresses, want %d", got, n.at(p))
				}
			}
		}
	})
}

func compareFlood(t *rapid.T, b *Bridge[site], p *naivePort, want []*naivePort) {
	var got, names []string
	b.Each(p.real, func(s *site) { got = append(got, s.name) })
	for _, q := range want {
		if !q.device {
			names = append(names, q.real.owner.name)
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) || b.Reaches(p.real) != len(names) {
		t.Fatalf("flooded to %v, want %v", got, names)
	}
}

// FuzzDecide: whatever the bytes are, a frame is never sent back, what is learnt is an address of one host, and the table
// keeps its bound.
func FuzzDecide(f *testing.F) {
	f.Add(frame(hostA, hostB, -1), frame(hostB, hostA, 5))
	f.Add(frame(broadcast, hostB, 4095), frame(0x0180c2000000, 0, 0)[:17])
	f.Add([]byte{}, frame(hostA, hostA, -1)[:14])
	f.Fuzz(func(t *testing.T, x, y []byte) {
		b := newTestBridge(func(c *Config) { c.MaxMACs = 2 })
		one, two := b.port(&site{"1"}, true, 1), b.port(&site{"2"}, false, 9)
		for range 2 {
			for _, step := range []struct {
				p *Port[site]
				f []byte
			}{{one, x}, {two, y}, {b.Device(), x}, {one, y}} {
				to, v := b.Decide(step.p, step.f)
				if (to != nil) != (v == Forward) || to == step.p || len(step.f) < 14 != (v == Short) {
					t.Fatalf("% x: verdict %d to %p", step.f, v, to)
				}
			}
		}
		all := b.MACs()
		for _, m := range all {
			if m.Addr[0]&1 == 1 || m.Addr == [6]byte{} || m.VLAN > 4095 {
				t.Errorf("learnt %x in VLAN %d", m.Addr, m.VLAN)
			}
		}
		if macs, _ := one.Stats(); macs > 1 || len(all) > 2 {
			t.Errorf("%d addresses, %d at one port", len(all), macs)
		}
	})
}

// TestManyReaders: loops decide while others learn, ports come and go, and time passes. What nobody touches is found at
// all times.
func TestManyReaders(t *testing.T) {
	b := newTestBridge(func(c *Config) { c.MaxMACs = 5000 })
	fixed := b.port(&site{"fixed"}, false, 9)
	b.Decide(fixed, frame(broadcast, hostA, -1))
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for f := frame(hostA, hostB, 9); !stop.Load(); {
				b.Decide(b.Device(), f)
				if to := b.lookup(hostA << vlanBits); to != fixed {
					t.Errorf("lookup gives %p", to)
					return
				}
				if n := b.Reaches(fixed); n > 2 {
					t.Errorf("flooded to %d others", n)
				}
				b.Each(b.Device(), func(s *site) {
					if s == nil {
						t.Error("flooded to nobody")
					}
				})
			}
		})
	}
	for w := range uint64(2) {
		writers.Go(func() {
			for round := range uint64(30) {
				p := b.port(&site{"p"}, w == 0, 2000)
				for i := range uint64(300) {
					b.Decide(p, frame(hostA, 0x0a0000000000+(i+100*(w+round))<<4, int(i%5)))
				}
				b.Age(time.Duration(round) * b.Tick() / 4)
				b.MACs()
				b.Remove(p)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	for _, m := range b.MACs() {
		if m.Owner != nil && m.Owner != fixed.owner {
			t.Fatalf("%x is at a port that is gone", m.Addr)
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	b := newTestBridge(nil)
	one, two := b.port(&site{"1"}, false, 1), b.port(&site{"2"}, false, 9)
	there, back, over, all := frame(hostB, hostA, 3), frame(hostA, hostB, 3), frame(hostB, hostC, 3), frame(broadcast, hostA, 3)
	copies := 0
	if n := testing.AllocsPerRun(100, func() {
		b.Decide(one, there)
		b.Decide(two, back)
		b.Decide(one, over) // not learnt
		b.Decide(one, all)
		b.Each(one, func(*site) { copies++ })
		b.Decide(one, back) // moves, and back
	}); n != 0 && !testenv.RaceEnabled {
		t.Errorf("%v allocations", n)
	}
	if copies == 0 {
		t.Error("nothing was flooded")
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			br := New[site](Config{MaxMACs: n, Aging: 300 * time.Second})
			p := br.port(&site{"1"}, true, n)
			frames := make([][]byte, n)
			for i := range frames {
				frames[i] = frame(hostA, 0x060000000000+uint64(i)*0x9e3779, -1)
			}
			br.Decide(br.Device(), frame(broadcast, hostA, -1))
			for _, f := range frames {
				br.Decide(p, f)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				br.Decide(p, frames[i*7919%n])
			}
		})
	}
}
