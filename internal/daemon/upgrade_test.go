package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
	"culvert/pppfsm"
	"culvert/snapshot"
)

// bothKinds are a test's two daemons: a dynamic tunnel, dialed or answered, beside a static one, each with PPP and
// Ethernet.
func bothKinds(t *testing.T, transport string) (nsA, nsB, textA, textB string) {
	t.Helper()
	nsA, nsB = newNS(t), newNS(t)
	port := freePorts(t, 4)
	staticA, staticB := twoEnds(nsA, nsB, port[:2])
	staticA, staticB = strings.ReplaceAll(staticA, "ppp.p]", "ppp.s]"), strings.ReplaceAll(staticB, "ppp.p]", "ppp.s]")
	staticA, staticB = strings.ReplaceAll(staticA, `"p"`, `"s"`), strings.ReplaceAll(staticB, `"p"`, `"s"`)
	staticA, staticB = strings.ReplaceAll(staticA, "10.77.", "10.76."), strings.ReplaceAll(staticB, "10.77.", "10.76.")
	local, peer := fmt.Sprintf("127.0.0.2:%d", port[2]), fmt.Sprintf("127.0.0.1:%d", port[3])
	if transport == "ip" {
		local, peer = "127.0.0.2", "127.0.0.1"
	}
	textA = dialing(nsA, transport, local, peer, "secret", 3) + staticA
	textB = answering(nsB, `["secret"]`, port[3]) + staticB
	textB = strings.Replace(textB, `remote_end_id = "lan_{n}"`, `remote_end_id = "lan_{n}"`+"\n"+`addresses = ["fd78:3::1/64"]`, 1)
	return nsA, nsB, textA, textB
}

// replaced has another daemon take over from one, and waits for both.
func (i *instance) replaced(t *testing.T, text string) *instance {
	t.Helper()
	cfg := parse(t, text)
	ctx, cancel := context.WithCancel(context.Background())
	n := &instance{t: t, socket: i.socket, cancel: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		n.done <- Run(ctx, cfg, Options{Socket: i.socket, Takeover: true, Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-n.done:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	})
	if err, ok := <-i.done; ok {
		close(i.done)
		if err != nil {
			t.Fatalf("the old process: %v", err)
		}
	}
	return n
}

// pinging sends numbered packets every 5 ms until it is stopped.
type pinging struct {
	cmd *exec.Cmd
	out bytes.Buffer
	to  string
}

func startPing(t *testing.T, ns, to string) *pinging {
	t.Helper()
	p := &pinging{cmd: exec.Command("ip", "netns", "exec", ns, "ping", "-n", "-q", "-i", "0.005", to), to: to}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

var pingLine = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received(.*)\n.* = [\d.]+/[\d.]+/([\d.]+)/`)

// end stops it; at most the packet on its way may be missing.
func (p *pinging) end(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	_ = p.cmd.Wait()
	m := pingLine.FindStringSubmatch(p.out.String())
	if m == nil {
		t.Errorf("ping %s: %s", p.to, p.out.String())
		return
	}
	var sent, got int
	_, _ = fmt.Sscan(m[1]+" "+m[2], &sent, &got)
	if sent-got > 1 || sent < 5 || strings.Contains(m[3], "duplicates") {
		t.Errorf("ping %s: %s", p.to, m[0])
	}
	t.Logf("%s: %d packets, the slowest took %s ms", p.to, sent, m[4])
}

// linkOf is all that the API says of a session.
func linkOf(t *testing.T, socket, tunnel, name string) mgmt.Session {
	t.Helper()
	s, err := client.New(socket).Session(context.Background(), tunnel+"/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTakeover: each end in turn goes over to another daemon under traffic. No packet is lost, no link begins again, and
// numbers go on.
func TestTakeover(t *testing.T) {
	nsA, nsB, textA, textB := bothKinds(t, "ip")
	b := run(t, textB)
	a := run(t, textA)
	allUp(t, a.socket, 5)
	allUp(t, b.socket, 5)
	targets := []string{"10.77.0.1", "10.76.0.2", "10.78.0.2", "fd78:3::1"}
	for _, to := range targets {
		eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
	}
	before, tunnels := linkOf(t, a.socket, "t", "line"), tunnelsOf(t, a.socket)
	pings := make([]*pinging, len(targets))
	for i, to := range targets {
		pings[i] = startPing(t, nsA, to)
	}
	for range 3 {
		a = a.replaced(t, textA)
		b = b.replaced(t, textB)
	}
	for _, p := range pings {
		p.end(t)
	}
	allUp(t, a.socket, 5)
	allUp(t, b.socket, 5)
	after := linkOf(t, a.socket, "t", "line")
	if after.Link.Seconds < before.Link.Seconds || after.RxPackets < before.RxPackets+5 || after.SID != before.SID ||
		!slices.Equal(after.Link.LocalOptions, before.Link.LocalOptions) || // the magic number among them
		after.Link.Counters["frames_in"] < before.Link.Counters["frames_in"] {
		t.Errorf("before %+v, %+v\nafter %+v, %+v", before, before.Link, after, after.Link)
	}
	if now := tunnelsOf(t, a.socket); len(now) != len(tunnels) {
		t.Errorf("tunnels %+v, were %+v", now, tunnels)
	}
	mustPing(t, nsB, "10.76.0.1")
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if l := links(t, nsA); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
	eventually(t, "the peer has heard of the end", func() bool { return len(tunnelsOf(t, b.socket)) == 1 })
}

// TestTakeoverFails: whatever goes wrong before the new process forwards, the old one goes on, and no packet is lost.
func TestTakeoverFails(t *testing.T) {
	nsA, _, textA, textB := bothKinds(t, "udp")
	b := run(t, textB)
	a := run(t, textA)
	allUp(t, a.socket, 5)
	targets := []string{"10.77.0.1", "10.76.0.2", "fd78:3::1"}
	for _, to := range targets {
		eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
	}
	pings := make([]*pinging, len(targets))
	for i, to := range targets {
		pings[i] = startPing(t, nsA, to)
	}
	refused := func(what string, err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", what, err)
		}
	}
	another := Options{Socket: a.socket, Takeover: true}
	refused("another configuration", Run(t.Context(), parse(t, textA+"\n[hooks]\n"), another), "configuration differs")
	refused("nobody there", Run(t.Context(), parse(t, textA), Options{Socket: a.socket + "x", Takeover: true}), "is a culvert running?")
	h := helloOf(parse(t, textA))
	old := h.write()
	old[0]++
	_, err := greeted(t, a.socket, old).receive(msgOffer, talkWait)
	refused("another version", err, snapshot.ErrVersion.Error())
	_, err = greeted(t, a.socket, []byte{1, 200}).receive(msgOffer, talkWait)
	refused("rubbish", err, snapshot.ErrBody.Error())
	for last := msgReady; last <= msgCommit; last++ { // a process that dies behind each step
		w := greeted(t, a.socket, h.write())
		for _, step := range []struct {
			is int
			do func() error
		}{
			{msgOffer, func() error { _, err := w.receive(msgOffer, talkWait); return err }},
			{msgReady, func() error { return w.send(msgReady, nil, talkWait) }},
			{msgFiles, func() error { fds, err := w.receiveFiles(talkWait); closeFiles(fds); return err }},
			{msgState, func() error { _, err := w.receive(msgState, talkWait); return err }},
			{msgRestored, func() error { return w.send(msgRestored, nil, talkWait) }},
			{msgCommit, func() error { _, err := w.receive(msgCommit, talkWait); return err }},
		} {
			if step.is > last {
				break
			}
			if err := step.do(); err != nil {
				t.Fatalf("step %d: %v", step.is, err)
			}
		}
		_ = w.Close()
	}
	a.replaced(t, textA) // and then it works all the same
	for _, p := range pings {
		p.end(t)
	}
	allUp(t, a.socket, 5)
	allUp(t, b.socket, 5)
}

// greeted is a process that has said hello.
func greeted(t *testing.T, socket string, hello []byte) wire {
	t.Helper()
	c, err := net.Dial("unix", socket+takeoverSuffix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	w := wire{c.(*net.UnixConn)}
	if err := w.send(msgHello, hello, talkWait); err != nil {
		t.Fatal(err)
	}
	return w
}

// FuzzTakeoverState: what is taken for the daemon's part of a state is one, and is written as it was.
func FuzzTakeoverState(f *testing.F) {
	now := time.Unix(1e9, 0)
	fields := func(c *snapshot.Codec, x *dialerState, y *connState, z *sessionState, p *ppp) {
		x.fields(c)
		y.fields(c)
		z.fields(c)
		p.snapshot(c)
	}
	fresh := func() *ppp {
		return &ppp{link: pppfsm.NewLink(pppfsm.Config{IPv4: true}, bytes.NewReader(make([]byte, 64)))}
	}
	w := snapshot.NewWriter(now)
	p := fresh()
	p.ip, p.addrs = &hook{down: "x", args: []string{"a"}}, []address{{local: netip.MustParsePrefix("10.0.0.1/32")}}
	fields(w, &dialerState{name: "d", lines: []lineState{{name: "l", done: true}}}, &connState{name: "c", upAt: now},
		&sessionState{tunnel: "t", name: "s", index: 3, mtu: 1400}, p)
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var x dialerState
		var y connState
		var z sessionState
		p, r := fresh(), snapshot.NewReader(b, now)
		fields(r, &x, &y, &z, p)
		if r.Close() != nil {
			return
		}
		w := snapshot.NewWriter(now)
		if fields(w, &x, &y, &z, p); !bytes.Equal(w.Bytes(), b) {
			t.Errorf("%x became %x", b, w.Bytes())
		}
	})
}
