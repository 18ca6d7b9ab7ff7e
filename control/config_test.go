package control

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

func TestProfileCheck(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		name   string
		change func(p *Profile)
		want   string
	}{
		{"good", func(*Profile) {}, ""},
		{"no host name", func(p *Profile) { p.HostName = "" }, "the host name needs"},
		{"long host name", func(p *Profile) { p.HostName = long }, "the host name needs"},
		{"long vendor name", func(p *Profile) { p.VendorName = long }, "the vendor name has"},
		{"many pseudowires", func(p *Profile) { p.Pseudowires = make([]PseudowireType, 256) }, "more than 255 pseudowire types"},
		{"three secrets", func(p *Profile) { p.Secrets = secrets("1", "2", "3") }, "more than 2 secrets"},
		{"challenge without secret", func(p *Profile) { p.Challenge = true }, "a challenge needs a secret"},
		{"hiding without secret", func(p *Profile) { p.HideAVPs = true }, "hidden AVPs need"},
		{"hiding without digest", func(p *Profile) {
			p.Secrets, p.Digest, p.Challenge, p.HideAVPs = secrets("s"), DigestOff, true, true
		}, "hidden AVPs need"},
		{"secret without use", func(p *Profile) { p.Secrets, p.Digest = secrets("s"), DigestOff }, "protects nothing"},
	} {
		p := testProfile("a")
		c.change(&p)
		err := p.Check()
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v", c.name, err)
		}
		w := newWorld(1, weather{})
		n := w.node("192.0.2.1:1701", p, Config{})
		if _, got := n.Dial(epoch, n.path(n), p); !errors.Is(got, err) && got == nil {
			t.Errorf("%s: dialed", c.name)
		}
		// what a Policy gives is not believed either: a refusal that says nothing about us
		h, n := newHand(t, p)
		if got := h.send(h.sccrq()); c.want != "" {
			if h.expect(got, StopCCN); got[0].Result != (Result{Code: StopGeneral}) || n.count.Refused != 1 {
				t.Errorf("%s: %s", c.name, got[0].String())
			}
		}
	}
}

func TestCallCheck(t *testing.T) {
	for _, c := range []struct {
		call Call
		ok   bool
	}{
		{Call{}, true},
		{Call{CookieLen: 4}, true},
		{Call{CookieLen: 5}, false},
		{Call{CookieLen: -2}, false},
		{Call{Sublayer: 2}, false},
		{Call{Sequencing: 1}, false},
		{Call{Sequencing: 2, Sublayer: SublayerDefault}, true},
		{Call{Sequencing: 3, Sublayer: SublayerDefault}, false},
		{Call{RemoteEndID: strings.Repeat("x", 256)}, false},
	} {
		if err := c.call.Check(); (err == nil) != c.ok {
			t.Errorf("%+v: error %v", c.call, err)
		}
	}
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	n.call.CookieLen = 3 // a Policy that errs
	got := h.send(icrq(5, "x"))
	if h.expect(got, CDN); got[0].Result.Code != CallNoFacilities || len(n.sessions) != 0 {
		t.Errorf("%s", got[0].String())
	}
	if _, err := c.Open(epoch, Call{CookieLen: 3}); !errors.Is(err, ErrProfile) {
		t.Errorf("error %v", err)
	}
	c.Close(epoch, Result{Code: StopShutdown})
	if _, err := c.Open(epoch, Call{}); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// TestSessionIDsOfOthers: ids that somebody else uses are not chosen and not accepted.
func TestSessionIDsOfOthers(t *testing.T) {
	w := newWorld(1, weather{})
	var asked []encap.SessionID
	n := w.node("192.0.2.2:1701", testProfile("n"), Config{SessionIDInUse: func(id encap.SessionID) bool {
		asked = append(asked, id)
		return len(asked) < 3 || id == 42
	}})
	c := n.dial(t, n, n.profile)
	s := n.open(t, c, Call{})
	if s.ID() != asked[2] || len(asked) != 3 {
		t.Errorf("id %d after %d", s.ID(), asked)
	}
	if _, err := c.Open(w.now, Call{LocalSessionID: 42}); !errors.Is(err, ErrSessionID) {
		t.Errorf("error %v", err)
	}
	if s, err := c.Open(w.now, Call{LocalSessionID: 43}); err != nil || s.ID() != 43 || n.Session(43) != s || s.Conn() != c {
		t.Errorf("error %v", err)
	}
}

func TestDescribe(t *testing.T) {
	for name, want := range map[string]string{
		"c10": "ccid 287454020 Ns 3 Nr 5: CDN, Result Code 2 (general error, insufficient resources: no resources), Local Session ID 185273099, Remote Session ID 168430090",
		"e04": `ccid 33554434 Ns 2 Nr 1: ICRQ, Local Session ID 4097, Remote Session ID 0, Serial Number 7, Pseudowire Type Ethernet, Remote End ID \x00\x00\x00d, Circuit Status 3, L2-Specific Sublayer 0 (Assigned Cookie (65): hidden AVP cannot be revealed)`,
		"v06": "control message of another version",
	} {
		if g := golden(t, name); Describe(g.transport, g.payload) != want {
			t.Errorf("%s: %s", name, Describe(g.transport, g.payload))
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{MessageType(99).String(), "message type 99"},
		{AVPType(99).String(), "attribute 99"},
		{AVPMessageDigest.String(), "Message Digest"},
		{AVPType(60000).String(), "attribute 60000"},
		{PseudowireType(9).String(), "pseudowire type 9"},
		{PseudowireHDLC.String(), "HDLC"},
		{ErrorCode(99).String(), "error 99"},
		{State(99).String(), "invalid"},
		{WaitCSAnswer.String(), "wait-cs-answer"},
		{Drop(99).String(), "invalid"},
		{DropRefusals.String(), "refusals"},
		{DropHalfOpen.String(), "half_open"},
		{Reason{Result: Result{Code: 3}}.String(), "administrative reasons"},
		{Reason{Result: Result{Code: 3}, stop: true, ByPeer: true}.String(), "peer: control connection already exists"},
		{Reason{Result: Result{Code: 16}, Silent: true}.String(), "peer does not answer"},
		{(&AVPError{9, 7, ErrAVPUnknown}).Error(), "vendor 9 attribute 7: unknown AVP with the M bit set"},
	} {
		if c.have != c.want {
			t.Errorf("%q, want %q", c.have, c.want)
		}
	}
}

// TestTimers compares the heap with sorting.
func TestTimers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h timers
	conns := make([]*Conn, 50)
	for i := range conns {
		conns[i] = &Conn{timer: -1}
	}
	due := map[*Conn]time.Time{}
	for range 3000 {
		c := conns[rng.IntN(len(conns))]
		d := epoch.Add(time.Duration(rng.IntN(1000)) * time.Second)
		if rng.IntN(3) == 0 {
			d = time.Time{}
			delete(due, c)
		} else {
			due[c] = d
		}
		h.set(c, d)
		if len(h) != len(due) {
			t.Fatalf("%d timers, want %d", len(h), len(due))
		}
		for x, d := range due {
			if h[x.timer] != x || !x.deadline.Equal(d) || d.Before(h[0].deadline) {
				t.Fatal("out of order")
			}
		}
	}
}

// TestDialingMoves: an authentic answer from another address settles the attempt, and nothing of it is left.
func TestDialingMoves(t *testing.T) {
	p := testProfile("a", "s")
	w := newWorld(1, weather{})
	a, b := w.node("192.0.2.1:1701", p, Config{}), w.node("192.0.2.2:1701", testProfile("b", "s"), Config{})
	w.filter = func(from *node, _ MessageType, payload []byte) []byte {
		if from == b {
			w.inject(w.now, Path{encap.TransportUDP, netip.MustParseAddrPort("192.0.2.77:1701"), a.addr}, payload)
			return nil
		}
		return payload
	}
	c := a.dial(t, b, p)
	w.run(100*time.Millisecond, nil)
	if c.State() != Established || c.Path().Remote.Addr() != netip.MustParseAddr("192.0.2.77") || len(a.dialing) != 0 || !slices.Contains(a.log, "control.PathChanged") {
		t.Errorf("state %v, path %v, %d dialing", c.State(), c.Path(), len(a.dialing))
	}
}
