package pppfsm

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"culvert/internal/testenv"
)

// randomConfig is one that an operator might have written, addresses left out.
func randomConfig(rng *rand.Rand) Config {
	flip := func() bool { return rng.IntN(2) == 0 }
	c := Config{
		MRU:         []int{0, 128, 576, 1280, 1400, 1500, 9000, 65535}[rng.IntN(8)],
		NoMagic:     rng.IntN(4) == 0,
		NoACFC:      flip(),
		NoPFC:       flip(),
		RequestACFC: flip(),
		RequestPFC:  flip(),
		Framing:     FramingMode(rng.IntN(3)),
		IPv4:        rng.IntN(4) > 0,
		IPv6:        rng.IntN(4) > 0,
		UsePeerDNS:  flip(),
		UsePeerNBNS: flip(),
		Silent:      rng.IntN(4) == 0,
		Passive:     rng.IntN(4) == 0,

		RestartTimer: time.Duration(1+rng.IntN(4)) * time.Second,
		MaxConfigure: []int{0, 3, 30}[rng.IntN(3)],
		MaxTerminate: rng.IntN(4),
		MaxFailure:   []int{0, 10, 30}[rng.IntN(3)],
		IPCP:         Limits{MaxConfigure: uint16(rng.IntN(20)), MaxFailure: uint16(5 * rng.IntN(3))},
		IPv6CP:       Limits{RestartTimer: time.Duration(rng.IntN(3)) * time.Second},
		MaxReply:     []int{0, 128, 1500}[rng.IntN(3)],
	}
	if flip() {
		c.DNS[0] = ip4("192.0.2.53")
	}
	// A link whose other end gave up while it opened itself knows by the
	// keepalive alone.
	c.EchoInterval, c.EchoFailures = time.Duration(5+rng.IntN(20))*time.Second, 1+rng.IntN(4)
	c.EchoAdaptive = flip()
	if rng.IntN(8) == 0 {
		c.IdleTimeout = time.Duration(1+rng.IntN(120)) * time.Second
	}
	if rng.IntN(8) == 0 {
		c.SessionTimeout = time.Duration(1+rng.IntN(240)) * time.Second
	}
	return c
}

// randomPair is two ends whose configured addresses and identifiers fit each
// other, or in one case of eight contradict.
func randomPair(rng *rand.Rand) (ends [2]Config, contradictory bool) {
	flip := func() bool { return rng.IntN(2) == 0 }
	ends = [2]Config{randomConfig(rng), randomConfig(rng)}
	contradictory = rng.IntN(8) == 0
	for i := range ends {
		known, mine := ip4([]string{"10.0.0.1", "10.0.0.2"}[i]), [8]byte{7: byte(1 + i)}
		expected, theirs := known, mine
		if contradictory {
			expected, theirs = ip4("192.0.2.7"), [8]byte{7: 9}
		}
		// Without an address IPv4 does not come up: most have one.
		if rng.IntN(4) > 0 {
			ends[i].LocalAddress = known
		}
		if flip() {
			ends[1-i].PeerAddress = expected
		}
		if flip() {
			ends[i].LocalID = mine
		}
		if flip() {
			ends[1-i].PeerID = theirs
		}
	}
	return ends, contradictory
}

// unclear says what is not clear about a link that is not all up, "" for
// nothing: whoever has failed must say why.
func unclear(l *Link, heard bool) string {
	s := l.Status()
	switch {
	case s.LCP != Opened && s.Reason == "" && heard:
		return "LCP failed without a reason"
	case s.LCP != Opened:
		return ""
	case l.cfg.IPv4 && s.IPCP != Opened && s.IPCPReason == "":
		return "IPCP failed without a reason"
	case l.cfg.IPv6 && s.IPv6CP != Opened && s.IPv6CPReason == "":
		return "IPV6CP failed without a reason"
	}
	return ""
}

// TestDuelSeeds: ten thousand pairs of random configurations on a wire that
// loses, duplicates and reorders frames for a while. Each ends with both links
// open and in agreement, or with both ended and a reason.
func TestDuelSeeds(t *testing.T) {
	seeds := uint64(10_000)
	if testenv.RaceEnabled {
		seeds = 1000
	}
	open, networks := 0, 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1661))
		chaos := time.Duration(rng.IntN(120)) * time.Second
		ends, contradictory := randomPair(rng)
		d := newDuel(seed, weather{
			loss: rng.Float64() * 0.5, dup: rng.Float64() * 0.5,
			delay:      time.Duration(rng.IntN(200)) * time.Millisecond,
			jitter:     time.Duration(1+rng.IntN(3000)) * time.Millisecond,
			chaosUntil: chaos,
		}, ends[0], ends[1])
		d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
		d.run(chaos + 5*time.Minute)
		d.data()
		d.run(chaos + 8*time.Minute)
		fault := d.verdict()
		if contradictory && strings.HasPrefix(fault, "different ideas of the addresses") ||
			contradictory && strings.HasPrefix(fault, "different ideas of the identifiers") {
			fault = "" // each end keeps to what it was told
		}
		for _, l := range d.links {
			if fault == "" {
				fault = unclear(l, d.links[0].count.FramesIn+d.links[1].count.FramesIn > 0)
			}
		}
		if fault != "" {
			t.Fatalf("seed %d: %s\n%+v\n%+v\n%+v\n%+v", seed, fault, d.links[0].cfg, d.links[1].cfg, d.links[0].Status(), d.links[1].Status())
		}
		if d.open[0] {
			open++
		}
		if d.up4[0] != nil || d.up6[0] != nil {
			networks++
		}
	}
	t.Logf("%d of %d open at the end, %d with a network", open, seeds, networks)
	if open < int(seeds)/3 || networks < int(seeds)/5 || open == int(seeds) {
		t.Error("the configurations do not try enough")
	}
}
