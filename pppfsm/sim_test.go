package pppfsm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// weather is what the wire between two links does to frames.
type weather struct {
	loss, dup  float64 // probabilities
	jitter     time.Duration
	delay      time.Duration
	chaosUntil time.Duration // since epoch; calm afterwards
}

// flight is a frame on its way, or the answer to an AuthRequest.
type flight struct {
	at      time.Time
	seq     int
	to      int
	frame   []byte
	verdict *verdictFlight
}

// duel is two links back to back in virtual time.
type duel struct {
	now    time.Time
	links  [2]*Link
	wire   []flight
	seq    int
	rng    *rand.Rand
	w      weather
	frames int
	up4    [2]*IPv4Up
	up6    [2]*IPv6Up
	open   [2]bool
	over   [2]bool
	fault  string
	// answered says that no answer to an AuthRequest gets lost.
	answered bool
}

func newDuel(seed uint64, w weather, a, b Config) *duel {
	d := &duel{now: epoch, w: w, rng: rand.New(rand.NewPCG(seed, 7))}
	d.links = [2]*Link{NewLink(a, seeded(seed*2+1)), NewLink(b, seeded(seed*2+2))}
	return d
}

// collect carries out the actions of one link and checks their order.
func (d *duel) collect(i int) {
	for _, a := range d.links[i].Take() {
		bad := false
		switch a := a.(type) {
		case SendFrame:
			d.frames++
			d.transmit(1-i, a.Frame)
		case AuthRequest:
			d.ask(i, a)
		case LinkOpened:
			bad = d.open[i] || d.unproven(i)
			d.open[i], d.over[i] = true, false
		case LinkClosed:
			bad = !d.open[i] || d.up4[i] != nil || d.up6[i] != nil
			d.open[i] = false
		case IPv4Up:
			bad = !d.open[i] || d.up4[i] != nil
			d.up4[i] = &a
		case IPv4Down:
			bad = d.up4[i] == nil
			d.up4[i] = nil
		case IPv6Up:
			bad = !d.open[i] || d.up6[i] != nil
			d.up6[i] = &a
		case IPv6Down:
			bad = d.up6[i] == nil
			d.up6[i] = nil
		case Finished:
			bad = d.open[i]
			d.over[i] = true
		}
		if bad {
			d.fault = fmt.Sprintf("link %d: %T out of order", i, a)
		}
	}
}

func (d *duel) transmit(to int, f []byte) {
	w := d.w
	if d.now.Sub(epoch) >= w.chaosUntil {
		w.loss, w.dup, w.jitter = 0, 0, 0
	}
	copies := 1
	if d.rng.Float64() < w.loss {
		copies = 0
	}
	if d.rng.Float64() < w.dup {
		copies++
	}
	for range copies {
		at := d.now.Add(w.delay)
		if w.jitter > 0 {
			at = at.Add(time.Duration(d.rng.Int64N(int64(w.jitter))))
		}
		d.seq++
		d.wire = append(d.wire, flight{at: at, seq: d.seq, to: to, frame: f})
	}
}

// next returns the index of the frame that arrives first, -1 without any.
func (d *duel) next() int {
	best := -1
	for i, f := range d.wire {
		if best < 0 || f.at.Before(d.wire[best].at) || f.at.Equal(d.wire[best].at) && f.seq < d.wire[best].seq {
			best = i
		}
	}
	return best
}

// run lets virtual time pass until end.
func (d *duel) run(end time.Duration) {
	stop := epoch.Add(end)
	for d.fault == "" {
		at, who, fl := stop, -1, d.next()
		if fl >= 0 && d.wire[fl].at.Before(at) {
			at = d.wire[fl].at
		} else {
			fl = -1
		}
		for i, l := range d.links {
			if t := l.Deadline(); !t.IsZero() && t.Before(at) {
				at, who, fl = t, i, -1
			}
		}
		d.now = at
		switch {
		case who >= 0:
			d.links[who].Tick(at)
			d.collect(who)
		case fl >= 0:
			f := d.wire[fl]
			d.wire = append(d.wire[:fl], d.wire[fl+1:]...)
			if v := f.verdict; v != nil {
				v.link.AuthResult(at, v.id, v.answer)
			} else {
				d.links[f.to].Input(at, f.frame)
			}
			d.collect(f.to)
		default:
			return
		}
	}
}

func (d *duel) each(do func(i int, l *Link)) {
	for i, l := range d.links {
		do(i, l)
		d.collect(i)
	}
}

// data sends a packet of every network that is up: what tells a peer that gave
// up on it that we did not.
func (d *duel) data() {
	for i := range d.links {
		if d.up4[i] != nil {
			d.transmit(1-i, []byte{0xff, 3, 0, 0x21, 0x45})
		}
		if d.up6[i] != nil {
			d.transmit(1-i, []byte{0xff, 3, 0, 0x57, 0x60})
		}
	}
}

// verdict says what is wrong with the outcome, "" for nothing: both links
// Opened with networks that agree, or neither.
func (d *duel) verdict() string {
	a, b := d.links[0].Status(), d.links[1].Status()
	switch {
	case d.fault != "":
		return d.fault
	case a.Counters.Illegal+b.Counters.Illegal+a.Counters.Overflows+b.Counters.Overflows != 0:
		return "illegal events or overflows"
	case d.open[0] != d.open[1]:
		return "one link is open"
	case !d.open[0] && !(settled(a) && settled(b)):
		return "not open and not finished"
	case !d.open[0]:
		return ""
	case a.PeerMRU != b.LocalMRU || b.PeerMRU != a.LocalMRU:
		return "different ideas of the MRU"
	case a.LocalMagic != b.PeerMagic || b.LocalMagic != a.PeerMagic:
		return "different ideas of the magic numbers"
	case a.PeerAuth != b.LocalAuth, a.LocalAuth != b.PeerAuth, a.PeerName != b.LocalName, a.LocalName != b.PeerName:
		return "different ideas of who has proven himself"
	case (d.up4[0] == nil) != (d.up4[1] == nil), (d.up6[0] == nil) != (d.up6[1] == nil):
		return "a network is up on one side"
	case d.up4[0] != nil && (d.up4[0].Local != d.up4[1].Peer || d.up4[1].Local != d.up4[0].Peer):
		return "different ideas of the addresses"
	case d.up6[0] != nil && (d.up6[0].LocalID != d.up6[1].PeerID || d.up6[1].LocalID != d.up6[0].PeerID):
		return "different ideas of the identifiers"
	}
	return ""
}

func settled(s Status) bool { return s.LCP == Closed || s.LCP == Stopped }

// ends are the two configurations most duels use: a server and a client.
func ends() (server4, client4 Config) {
	s := server
	s.IPv6, s.MRU = true, 1400
	s.EchoInterval, s.EchoFailures = 10*time.Second, 3
	c := client
	c.IPv6, c.MRU, c.UsePeerNBNS = true, 1460, true
	c.EchoInterval, c.EchoFailures = 7*time.Second, 3
	return s, c
}

// TestDuelCalm: on a good wire everything is up after a few round trips and
// stays up for a day.
func TestDuelCalm(t *testing.T) {
	a, b := ends()
	d := newDuel(1, weather{delay: 20 * time.Millisecond}, a, b)
	d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
	d.run(time.Second)
	if d.up4[0] == nil || d.up6[0] == nil || d.verdict() != "" {
		t.Fatalf("%s\n%+v\n%+v", d.verdict(), d.links[0].Status(), d.links[1].Status())
	}
	if u := d.up4[1]; u.Local != ip4("10.0.0.2") || u.DNS != server.DNS || u.NBNS != server.NBNS {
		t.Errorf("client got %+v", u)
	}
	setup := d.frames
	d.run(24 * time.Hour)
	echoes := 2 * (24*3600/10 + 24*3600/7)
	if n := d.frames - setup; n > echoes || n < echoes-10 || d.links[0].Status().Counters.EchoRepliesIn == 0 {
		t.Errorf("%d frames in a day, want about %d echoes", n, echoes)
	}
	if d.up4[0] == nil || d.verdict() != "" {
		t.Errorf("after a day: %s", d.verdict())
	}
	d.each(func(i int, l *Link) {
		if i == 0 {
			l.Close(d.now, "enough")
		}
	})
	d.run(25 * time.Hour)
	if !d.over[0] || !d.over[1] || d.verdict() != "" {
		t.Errorf("after Close: %s", d.verdict())
	}
	if r := d.links[1].Status().Reason; r != `terminated by peer: "enough"` {
		t.Errorf("reason %q", r)
	}
	t.Logf("%d frames to bring the link up", setup)
}

// TestDuelChaos: whatever the wire does for a while, and whatever the owners
// do to the links in it, afterwards they converge or finish, and nothing but
// echoes is sent any more.
func TestDuelChaos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ends()
		w := weather{
			loss:       rapid.Float64Range(0, 0.5).Draw(t, "loss"),
			dup:        rapid.Float64Range(0, 0.5).Draw(t, "dup"),
			delay:      time.Duration(rapid.IntRange(0, 200).Draw(t, "delay")) * time.Millisecond,
			jitter:     time.Duration(rapid.IntRange(0, 8000).Draw(t, "jitter")) * time.Millisecond,
			chaosUntil: time.Duration(rapid.IntRange(1, 300).Draw(t, "chaos")) * time.Second,
		}
		a.Silent = rapid.Bool().Draw(t, "silent")
		b.Passive = rapid.Bool().Draw(t, "passive")
		b.Framing = rapid.SampledFrom([]FramingMode{FramingAuto, FramingHDLC, FramingBare}).Draw(t, "framing")
		a.RequestACFC = rapid.Bool().Draw(t, "acfc")
		b.NoMagic = rapid.Bool().Draw(t, "nomagic")
		b.NoACFC = rapid.Bool().Draw(t, "noacfc")
		possible := drawAuth(t, &a, &b)
		d := newDuel(rapid.Uint64Range(0, 1<<20).Draw(t, "seed"), w, a, b)
		d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
		for range rapid.IntRange(0, 4).Draw(t, "meddlings") {
			d.run(time.Duration(rapid.IntRange(1, 300).Draw(t, "when")) * time.Second)
			l := d.links[rapid.IntRange(0, 1).Draw(t, "who")]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				l.Close(d.now, "test")
			case 1:
				l.Open(d.now)
			case 2:
				l.Down(d.now)
				l.Up(d.now)
			case 3:
				l.Tick(d.now)
			}
			d.each(func(int, *Link) {})
		}
		calm := max(w.chaosUntil, d.now.Sub(epoch))
		d.run(calm + 8*time.Minute)
		d.data()
		d.run(calm + 10*time.Minute)
		if v := d.verdict(); v != "" {
			t.Fatalf("%s\n%+v\n%+v", v, d.links[0].Status(), d.links[1].Status())
		}
		if d.open[0] && !possible {
			t.Fatal("open without the right secrets")
		}
		before := d.frames
		d.run(calm + 20*time.Minute)
		rechallenges := 2 * 3 * 600 / int(chaosInterval/time.Second)
		if n := d.frames - before; n > 2*(600/10+600/7)+rechallenges+8 {
			t.Fatalf("%d frames in ten quiet minutes", n)
		}
	})
}

// TestDuelConverges: with loss only, and both ends persistent, the link always
// comes up in the end.
func TestDuelConverges(t *testing.T) {
	a, b := ends()
	a.MaxConfigure, b.MaxConfigure = 100, 100
	a.EchoFailures, b.EchoFailures = 0, 0
	for seed := range uint64(200) {
		w := weather{loss: 0.3, dup: 0.1, delay: 10 * time.Millisecond, jitter: 50 * time.Millisecond, chaosUntil: 2 * time.Minute}
		d := newDuel(seed, w, a, b)
		d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
		d.run(5 * time.Minute)
		if v := d.verdict(); v != "" || d.up4[0] == nil || d.up6[0] == nil {
			t.Fatalf("seed %d: %q\n%+v\n%+v", seed, v, d.links[0].Status(), d.links[1].Status())
		}
	}
}

// TestDuelTwins: two links with the same random numbers collide in magic
// numbers and identifiers, and sort it out unless they stay twins for ever.
func TestDuelTwins(t *testing.T) {
	cfg := Config{IPv6: true}
	d := newDuel(1, weather{delay: time.Millisecond}, cfg, cfg)
	d.links[1] = NewLink(cfg, seeded(3))
	d.links[1].Open(epoch)
	d.links[1].Up(epoch)
	d.links[1].Take()
	d.links[0] = NewLink(cfg, seeded(3))
	d.links[0].Open(epoch)
	d.links[0].Up(epoch)
	first := d.links[0].Take()
	d.links[0].rnd = seeded(4) // they part here
	d.links[0].out = first
	d.collect(0)
	d.run(time.Minute)
	if v := d.verdict(); v != "" || !d.open[0] || d.up6[0] == nil {
		t.Fatalf("%s\n%+v\n%+v", v, d.links[0].Status(), d.links[1].Status())
	}
	if c := d.links[1].Status().Counters.Loops; c == 0 {
		t.Error("no collision happened")
	}
}

// TestDuelFixedAndRenegotiated: both ends insist on their addresses, and one
// is restarted without the other noticing.
func TestDuelFixedAndRenegotiated(t *testing.T) {
	a := Config{IPv4: true, LocalAddress: ip4("10.0.0.1"), PeerAddress: ip4("10.0.0.2")}
	b := Config{IPv4: true, LocalAddress: ip4("10.0.0.2"), PeerAddress: ip4("10.0.0.1")}
	d := newDuel(5, weather{delay: time.Millisecond}, a, b)
	d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
	d.run(time.Second)
	if d.up4[0] == nil || d.verdict() != "" {
		t.Fatal(d.verdict())
	}
	d.links[1] = NewLink(b, seeded(99)) // crashed and back
	d.open[1], d.up4[1] = false, nil
	d.links[1].Open(d.now)
	d.links[1].Up(d.now)
	d.collect(1)
	d.run(2 * time.Second)
	if v := d.verdict(); v != "" || d.up4[0] == nil || d.up4[1] == nil {
		t.Fatalf("%s\n%+v\n%+v", v, d.links[0].Status(), d.links[1].Status())
	}
}
