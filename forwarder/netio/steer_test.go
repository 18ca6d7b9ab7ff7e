package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"culvert/encap"
)

// TestSteering proves for every underlay and several numbers of workers that each socket sees exactly its sessions,
// control exactly the control messages, and that nothing is lost, with send-only sockets in the group.
func TestSteering(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		for _, workers := range []int{1, 2, 3, 4, 7} {
			t.Run(fmt.Sprint(workers), func(t *testing.T) { steering(t, k, workers) })
		}
	})
}

func steering(t *testing.T, k kind, workers int) {
	ns := newSpace(t)
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: workers})
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
	var senders []*Socket
	ns.do(func() { senders = allSenders(t, g, workers) })

	const each = 40
	d := dest(t, k.local())
	want := map[uint32]bool{}
	var pkts [][]byte
	for range each * workers {
		id := rand.Uint32()
		for id == 0 || want[id] {
			id = rand.Uint32()
		}
		want[id] = true
		pkts = append(pkts, k.data(id, id^0xffffffff, 20))
	}
	for _, id := range []uint32{1, 0xffffffff, 0x80000000, 5040} {
		if want[id] {
			continue
		}
		want[id] = true
		pkts = append(pkts, k.data(id, id^0xffffffff, 20))
	}
	for i := range 10 {
		pkts = append(pkts, k.control(uint32(i)))
	}
	rand.Shuffle(len(pkts), func(i, j int) { pkts[i], pkts[j] = pkts[j], pkts[i] })
	send(t, peer.Data(0), d, pkts...)

	all := collect(t, len(pkts), quiet, g.sockets...)
	for w := range workers {
		for _, r := range all[w] {
			id, tag := k.session(r.data)
			if int(id%uint32(workers)) != w || !want[id] || tag != id^0xffffffff {
				t.Errorf("worker %d of %d: wrong or repeated packet, session %#x: % x", w, workers, id, r.data)
			}
			delete(want, id)
			if r.source != k.remote() || r.truncated || r.segment != 0 {
				t.Errorf("worker %d: %+v", w, r)
			}
		}
	}
	if len(want) != 0 {
		t.Errorf("%d packets of %d lost", len(want), len(pkts))
	}
	control := all[workers]
	for _, r := range control {
		if k.transport == encap.TransportUDP && !encap.ControlUDP(r.data) || k.transport == encap.TransportIP && !encap.ControlIP(r.data) {
			t.Errorf("control got % x", r.data)
		}
	}
	if len(control) != 10 {
		t.Errorf("control got %d of 10 messages", len(control))
	}
	for _, s := range senders {
		if got := drain(t, s, 0); len(got) != 0 {
			t.Errorf("%v received %d packets", s, len(got))
		}
	}
}

// allSenders opens every send-only socket there is.
func allSenders(t *testing.T, g *Group, workers int) (out []*Socket) {
	t.Helper()
	for w := range workers {
		for _, v := range []Variant{{DFClear, false}, {DFSet, true}, {DFClear, true}} {
			s, err := g.Sender(w, v)
			if err != nil {
				t.Fatal(err)
			}
			if s != g.Data(w) {
				out = append(out, s)
			}
		}
	}
	return out
}

// TestSteerOdd sends what is neither a version 3 data packet nor long enough to be one.
func TestSteerOdd(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 3})
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		odd := [][]byte{{}, {0}, {0, 3}, {0, 3, 0}, {0, 0, 0}, {0, 1, 0}}
		if k.transport == encap.TransportUDP {
			odd = append(odd, []byte{0, 3, 0, 0, 0, 0, 1}, []byte{0, 2, 0, 0, 0, 0, 0, 1, 9}, []byte{0xc8, 2, 0, 0, 0, 0, 0, 1}, []byte{0x80, 3, 0, 0, 0, 0, 0, 1})
		}
		wantControl := len(odd)
		send(t, peer.Data(0), dest(t, k.local()), odd...)
		all := collect(t, wantControl, quiet, g.sockets...)
		for w := range 3 {
			if got := all[w]; len(got) != 0 {
				t.Errorf("worker %d got %v", w, got)
			}
		}
		if got := all[3]; len(got) != wantControl {
			t.Errorf("control got %d packets instead of %d: %v", len(got), wantControl, got)
		}
	})
}

// TestBuildingUnderTraffic opens and closes groups while packets pour in: none may be found on a wrong socket.
func TestBuildingUnderTraffic(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		d := dest(t, k.local())
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			pkts := [][]byte{k.control(1)}
			for id := range uint32(30) {
				pkts = append(pkts, k.data(id+1, 0, 8))
			}
			b := NewTxBatch(len(pkts))
			for {
				select {
				case <-stop:
					return
				default:
				}
				b.Reset()
				for _, p := range pkts {
					b.Add(p, d, -1, 0)
				}
				for b.Cursor() < b.Len() {
					if _, err := peer.Data(0).Send(b); err != nil {
						b.Skip()
					}
				}
			}
		})
		total := 0
		for round := range 40 {
			total += buildOnce(t, ns, k, 1+round%4)
		}
		close(stop)
		wg.Wait()
		if total == 0 {
			t.Error("no packet was seen at all")
		}
	})
}

func buildOnce(t *testing.T, ns *space, k kind, workers int) (seen int) {
	t.Helper()
	var g *Group
	var err error
	ns.do(func() { g, err = OpenGroup(GroupConfig{Transport: k.transport, Local: k.local(), Workers: workers}) })
	if err != nil {
		t.Fatal(err)
	}
	b := NewRxBatch(64, 0, 100)
	for range 3 {
		for w := range workers {
			n, _ := g.Data(w).ReadBatch(b)
			for i := range n {
				if id, _ := k.session(b.Packet(i)); id == 0 || int(id)%workers != w {
					t.Errorf("worker %d of %d got session %d", w, workers, id)
				}
			}
			seen += n
		}
		n, _ := g.Control().ReadBatch(b)
		for i := range n {
			if p := b.Packet(i); k.transport == encap.TransportUDP && !encap.ControlUDP(p) || k.transport == encap.TransportIP && !encap.ControlIP(p) {
				t.Errorf("control got % x", p)
			}
		}
		time.Sleep(time.Millisecond)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Data(0).ReadBatch(b); err == nil || errors.Is(err, ErrWouldBlock) {
		t.Errorf("read after Close: %v", err)
	}
	return seen
}

// TestProgramsAgainstReference runs the BPF programs in x/net/bpf's machine on random packets.
func TestProgramsAgainstReference(t *testing.T) {
	run := func(prog []bpf.Instruction, p []byte) int {
		vm, err := bpf.NewVM(prog)
		if err != nil {
			t.Fatal(err)
		}
		n, err := vm.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p := make([]byte, rnd.IntN(40))
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		if len(p) > 1 && rnd.IntN(4) > 0 {
			p[0], p[1] = p[0]&0x7f, p[1]&0xf0|3
		}
		workers := 1 + rnd.IntN(9)
		want := workers
		if u := encap.UDPData(p); u.Valid() {
			want = int(uint32(u.SessionID()) % uint32(workers))
		}
		if got := run(steerUDP(workers), p); got != want {
			t.Fatalf("steerUDP(%d) of % x: %d instead of %d", workers, p, got, want)
		}
		checkIPFilters(t, run, p, workers, rnd)
	}
}

func checkIPFilters(t *testing.T, run func([]bpf.Instruction, []byte) int, p []byte, workers int, rnd *rand.Rand) {
	t.Helper()
	if len(p) >= 4 && rnd.IntN(4) == 0 {
		clear(p[:4])
	}
	header := make([]byte, 20+4*rnd.IntN(11))
	header[0] = 0x40 | byte(len(header)/4)
	v4 := append(header, p...)
	id, short := uint32(0), len(p) < 4
	if !short {
		id = binary.BigEndian.Uint32(p)
	}
	for w := range workers {
		want := !short && id != 0 && id%uint32(workers) == uint32(w)
		if got := run(filterIPData(true, w, workers), p) != 0; got != want {
			t.Fatalf("IPv6 filter %d/%d of % x: %t", w, workers, p, got)
		}
		if got := run(filterIPData(false, w, workers), v4) != 0; got != want {
			t.Fatalf("IPv4 filter %d/%d of % x: %t", w, workers, v4, got)
		}
	}
	want := short || id == 0
	if got := run(filterIPControl(true), p) != 0; got != want {
		t.Fatalf("IPv6 control filter of % x: %t", p, got)
	}
	if got := run(filterIPControl(false), v4) != 0; got != want {
		t.Fatalf("IPv4 control filter of % x: %t", v4, got)
	}
}
