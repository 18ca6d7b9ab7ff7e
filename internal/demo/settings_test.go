package demo

import (
	"errors"
	"strings"
	"testing"

	"culvert/examples"
	"culvert/internal/config"
)

func parse(t *testing.T, text []byte) *config.Config {
	t.Helper()
	c, err := config.Parse("example.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWithSocket(t *testing.T) {
	text, err := withSocket(examples.LAC, "/tmp/x.sock")
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, text).API.Socket; got != "/tmp/x.sock" {
		t.Errorf("socket = %q", got)
	}
	// the rest is as it was
	before, after := parse(t, examples.LAC), parse(t, text)
	if len(before.Tunnels) != len(after.Tunnels) || len(after.Tunnels) == 0 {
		t.Errorf("%d tunnels became %d", len(before.Tunnels), len(after.Tunnels))
	}
	if _, err := withSocket([]byte("[api"), "x"); err == nil {
		t.Error("broken file accepted")
	}
}

// TestExamplesFitTogether: what the demo and the documentation promise of the example files.
func TestExamplesFitTogether(t *testing.T) {
	lac, lns := parse(t, examples.LAC), parse(t, examples.LNS)
	all, err := pairs(lac, lns)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, p := range all {
		kind := "eth"
		if p.lac.Pseudowire == config.PseudowirePPP {
			kind = "ppp"
		}
		kinds = append(kinds, kind+"/"+p.tunnel.Transport.String())
		if p.lac.Pseudowire != p.lns.Pseudowire || p.lac.Sublayer != p.lns.Sublayer {
			t.Errorf("%s: the ends differ in kind or sublayer", p.lac.Name)
		}
		if p.tunnel.Control != nil {
			if p.lac.CookieSize != 8 || p.lns.CookieSize != 8 || p.lac.RemoteEndID != p.lns.RemoteEndID {
				t.Errorf("%s: the ends differ: %+v", p.lac.Name, p.lns)
			}
			continue
		}
		if p.lac.Cookie != p.lns.PeerCookie || p.lac.PeerCookie != p.lns.Cookie {
			t.Errorf("%s: what one end sends as cookie the other does not expect", p.lac.Name)
		}
		if p.lac.Cookie.Len() != 8 || p.lns.Cookie.Len() != 8 {
			t.Errorf("%s: cookies are not of 64 bits", p.lac.Name)
		}
	}
	if got := strings.Join(kinds, " "); got != "ppp/udp eth/ip ppp/ip" {
		t.Errorf("pseudowires: %s", got)
	}
}

func TestPairsNeedsBothEnds(t *testing.T) {
	lac, lns := parse(t, examples.LAC), parse(t, examples.LNS)
	lns.Tunnels[0].Sessions[0].SID++
	if _, err := pairs(lac, lns); !errors.Is(err, errNoPair) {
		t.Errorf("err = %v, want errNoPair", err)
	}
}

// TestPairsNeedsThePlace: the LNS has a place for what the dynamic tunnel asks for, at an address it listens on.
func TestPairsNeedsThePlace(t *testing.T) {
	for name, spoil := range map[string]func(c *config.Config){
		"no such number": func(c *config.Config) { c.Profiles[0].Last = 1 },
		"no listener":    func(c *config.Config) { c.Listens = nil },
		"no peer":        func(c *config.Config) { c.Peers = nil },
	} {
		lac, lns := parse(t, examples.LAC), parse(t, examples.LNS)
		spoil(lns)
		if _, err := pairs(lac, lns); !errors.Is(err, errNoPair) {
			t.Errorf("%s: err = %v, want errNoPair", name, err)
		}
	}
}
