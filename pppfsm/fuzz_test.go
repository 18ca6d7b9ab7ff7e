package pppfsm

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
	"culvert/internal/testenv"
)

// FuzzPacket: a parsed packet is inside its input and encodes to itself, and
// no prefix of a packet is taken for it.
func FuzzPacket(f *testing.F) {
	for _, g := range golden(f) {
		if _, info, _, err := encap.ParsePPP(g); err == nil {
			f.Add(info)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := parsePacket(b)
		if err != nil {
			return
		}
		if len(in.raw) > len(b) || len(in.data)+headerLen != len(in.raw) {
			t.Fatalf("%d bytes of %d", len(in.raw), len(b))
		}
		again := append(appendHeader(nil, in.code, in.id, len(in.data)), in.data...)
		if !bytes.Equal(again, in.raw) {
			t.Fatalf("%x encodes to %x", in.raw, again)
		}
		for n := range in.raw {
			if _, err := parsePacket(in.raw[:n]); err == nil {
				t.Fatalf("prefix of %d bytes accepted", n)
			}
		}
	})
}

// FuzzOptions: the walk ends, covers the list exactly, and agrees with
// checkOptions and subset.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{1, 4, 5, 0xdc, 5, 6, 1, 2, 3, 4})
	f.Add([]byte{7, 2, 8, 2})
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		var err error
		for rest := b; len(rest) > 0 && err == nil; {
			var o option
			if o, rest, err = nextOption(rest); err == nil {
				again = appendOption(again, o.kind(), o.data()...)
			}
		}
		if (err == nil) != (checkOptions(b) == nil) {
			t.Fatalf("checkOptions disagrees: %v", err)
		}
		if !bytes.HasPrefix(b, again) || err == nil && len(again) != len(b) {
			t.Fatalf("%x encodes to %x", b, again)
		}
		if err == nil && len(b) > 0 && !subset(b, b) {
			t.Fatal("a list is not a subset of itself")
		}
		if err == nil && subset(append(bytes.Clone(b), 7, 2), b) {
			t.Fatal("more than the list is a subset of it")
		}
	})
}

// fuzzConfigs are what FuzzLink chooses from.
func fuzzConfigs() []Config {
	s, c := ends()
	return []Config{
		s, c,
		{},
		{Silent: true, IPv4: true},
		{Passive: true, MaxReply: 128, MaxConfigure: 2},
		{Framing: FramingBare, RequestACFC: true, RequestPFC: true, IPv6: true, MaxFailure: 1},
		{Auth: mutual(allMethods, allMethods, testSecret), IPv4: true, LocalAddress: ip4("10.0.0.1"), IPv6: true},
		{Auth: mutual([]AuthMethod{AuthPAP}, []AuthMethod{AuthPAP, AuthCHAP}, testSecret), MaxReply: 128},
		{Auth: mutual([]AuthMethod{AuthCHAP}, []AuthMethod{AuthMSCHAPv2}, ""), IPv6: true},
		remote,
		{IPv4: true, IPv6: true, AcceptLocal: true, AllowPeer: remote.AllowPeer},
		{NoACFC: true, NoPFC: true, NoMagic: true, MRU: 200, IPv4: true, IPv6: true, Framing: FramingHDLC},
		{
			IPv4: true, IPv6: true, LocalAddress: ip4("10.0.0.1"), EchoInterval: time.Second, EchoFailures: 2, EchoAdaptive: true,
			IdleTimeout: 5 * time.Second, SessionTimeout: 20 * time.Second, IPCP: Limits{MaxConfigure: 1, MaxFailure: 1},
		},
	}
}

// FuzzLink drives a Link with a script: each step is an operation byte and,
// for Input, a length and a frame. The frame may be patched with the
// identifier and options of the link's own last request, so that answers get
// through.
func FuzzLink(f *testing.F) {
	var all []byte
	g := golden(f)
	for _, name := range []string{"d01", "d08", "d10", "d12", "d13", "d18", "d20", "p03", "p06", "p07"} {
		all = append(append(all, 0, byte(len(g[name]))), g[name]...)
		all = append(all, 1, 0, 2, 2, 2, 3) // our requests are acknowledged
	}
	for _, name := range []string{"d02", "d05", "d06", "d07", "p01", "p02", "p04", "p09", "p10", "p11", "p12"} {
		all = append(append(all, 0, byte(len(g[name]))), g[name]...)
		all = append(all, 1, 0, 9, 0, 9, 1, 8, 1, 8, 0) // and proofs given and judged
	}
	for i := range len(fuzzConfigs()) {
		f.Add(uint8(i), all)
	}
	f.Fuzz(drive)
}

// TestRandomWalks drives links with random scripts in which every operation is
// as likely, and frames are mostly ones that a peer might send.
func TestRandomWalks(t *testing.T) {
	walks := 3000
	if testenv.RaceEnabled {
		walks = 300
	}
	rng := rand.New(rand.NewPCG(7, 1661))
	protos := []encap.PPPProtocol{encap.ProtoLCP, encap.ProtoIPCP, encap.ProtoIPv6CP, encap.ProtoIPv4, encap.ProtoIPv6, encap.ProtoCCP}
	for n := range walks {
		var script []byte
		for range 100 {
			op := byte(rng.IntN(numOps))
			script = append(script, op, byte(rng.Uint32()))
			if op == 0 {
				data := make([]byte, rng.IntN(16))
				for i := range data {
					data[i] = byte(rng.IntN(12))
				}
				f := frame(protos[rng.IntN(len(protos))], Code(1+rng.IntN(14)), byte(rng.Uint32()), data)
				script[len(script)-1] = byte(len(f))
				script = append(script, f...)
			}
		}
		drive(t, uint8(n), script)
	}
}

// numOps is how many operations a script knows.
const numOps = 13

// drive carries a script out on a new link and checks it after each step.
func drive(t *testing.T, which uint8, script []byte) {
	cfgs := fuzzConfigs()
	l := NewLink(cfgs[int(which)%len(cfgs)], seeded(uint64(which)))
	now := epoch
	l.Open(now)
	l.Up(now)
	l.Take()
	for len(script) > 1 {
		op, arg := script[0]%numOps, script[1]
		script = script[2:]
		inputs := 0
		switch op {
		case 0:
			n := min(int(arg), len(script))
			kept := bytes.Clone(script[:n])
			l.Input(now, script[:n])
			if !bytes.Equal(kept, script[:n]) {
				t.Fatal("Input wrote to the frame")
			}
			script, inputs = script[n:], 1
		case 1, 2:
			m := [...]*machine{&l.lcp.machine, &l.ipcp.machine, &l.ipv6cp.machine}[arg%3]
			l.Input(now, frame(m.proto, Code(2+(op-1)*2), m.reqID, bytes.Clone(m.sent[:m.sentLen])))
			inputs = 1
		case 3:
			now = now.Add(time.Duration(arg) * 100 * time.Millisecond)
			l.Tick(now)
			inputs = 3 // timers of three protocols
		case 4:
			l.Close(now, string(script[:min(int(arg), len(script))]))
			inputs = 1
		case 5:
			l.Open(now)
			inputs = 1
		case 6:
			l.Down(now)
		case 7:
			l.Up(now)
			inputs = 1
		case 8:
			l.Traffic(uint64(arg)*uint64(arg), uint64(arg))
		case 9:
			l.AuthResult(now, l.asked, AuthAnswer{Accepted: arg&1 != 0, Message: string(script[:min(int(arg), len(script))])})
			inputs = 1
		case 10:
			l.Input(now, authFrame(l, arg))
			inputs = 1
		case 11:
			l.SetPeerAddress(netip.AddrFrom4([4]byte{10, 0, 0, arg}))
		case 12:
			l.CloseIPv4(now, "four")
			l.CloseIPv6(now, "six")
			inputs = 1
		}
		checkInvariants(t, l, inputs)
	}
}

// checkInvariants looks at a link and what came out of it after one call.
func checkInvariants(t *testing.T, l *Link, inputs int) {
	t.Helper()
	frames := 0
	acts := l.Take()
	for _, a := range acts {
		f, ok := a.(SendFrame)
		if !ok {
			continue
		}
		frames++
		if len(f.Frame) > l.cfg.MaxReply {
			t.Fatalf("frame of %d bytes", len(f.Frame))
		}
		p, info, _, err := encap.ParsePPP(f.Frame)
		if err != nil {
			t.Fatalf("frame %x: %v", f.Frame, err)
		}
		in, err := parsePacket(info)
		if err != nil || len(in.raw) != len(info) {
			t.Fatalf("packet %x: %v", info, err)
		}
		if p != papP && p != chapP && in.code >= CodeConfigureRequest && in.code <= CodeConfigureReject {
			if err := checkOptions(in.data); err != nil {
				t.Fatalf("packet %x: %v", info, err)
			}
		}
	}
	if frames > 3*inputs || len(acts) > 12 {
		t.Fatalf("%d frames, %d actions for %d events", frames, len(acts), inputs)
	}
	for _, m := range [...]*machine{&l.lcp.machine, &l.ipcp.machine, &l.ipv6cp.machine} {
		if m.state >= numStates || m.state.timed() == m.deadline.IsZero() {
			t.Fatalf("%v in %v with timer %v", m.proto, m.state, m.deadline)
		}
		lim := m.limits()
		if m.counter > max(lim.MaxConfigure, lim.MaxTerminate) || m.failures > lim.MaxFailure+1 || m.naks > lim.MaxFailure+maxStubborn {
			t.Fatalf("%v: counter %d, failures %d, naks %d", m.proto, m.counter, m.failures, m.naks)
		}
		if m != &l.lcp.machine && m.state > Starting && l.phase != PhaseNetwork {
			t.Fatalf("%v in %v while LCP is in %v", m.proto, m.state, l.lcp.state)
		}
	}
	if l.lcp.state != Opened && !(l.lcp.echoAt.IsZero() && (l.activity == nil || l.idleAt.IsZero() && l.endAt.IsZero())) {
		t.Fatalf("timeouts run in %v", l.lcp.state)
	}
	if g := l.EchoLog(); g.Sent > echoHistory || g.Lost > g.Sent || g.Min > g.Mean || g.Mean > g.Max {
		t.Fatalf("%+v", g)
	}
	s := l.Status()
	if (s.LCP == Opened) != (s.Phase == PhaseNetwork || s.Phase == PhaseAuthenticate) || s.Counters.Illegal != 0 || l.out != nil {
		t.Fatalf("%+v", s)
	}
	checkAuth(t, l)
	if l.ipcp.announced && (s.IPCP != Opened || !s.LocalAddress.Is4()) || l.ipv6cp.announced != (s.IPv6CP == Opened) {
		t.Fatalf("%+v", s)
	}
}
