package config

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"culvert/encap"
)

// checkInvariants states what everybody may rely on in a Config.
func checkInvariants(t interface {
	Helper()
	Errorf(format string, args ...any)
}, c *Config,
) {
	t.Helper()
	if len(c.Tunnels)+len(c.Listens) == 0 || (len(c.Listens) == 0) != (len(c.Peers) == 0) || c.Group == 0 || c.API.Socket == "" || c.Workers < 0 || c.LogLevel == "" {
		t.Errorf("incomplete: %+v", c)
	}
	tids := map[uint32]bool{}
	type listener struct {
		transport encap.Transport
		local     netip.AddrPort
		sid       encap.SessionID
	}
	sids := map[listener]bool{}
	devices := map[[2]string]bool{}
	for _, x := range c.Tunnels {
		dynamic := x.Control != nil
		if (x.TID == 0) != dynamic || (x.PTID == 0) != dynamic || !dynamic && tids[x.TID] || x.Line < 1 || x.Name == "" {
			t.Errorf("tunnel %q: tid %d, ptid %d, line %d", x.Name, x.TID, x.PTID, x.Line)
		}
		tids[x.TID] = true
		if !x.Local.IsValid() || !x.Peer.IsValid() || x.Local.Addr().Is4() != x.Peer.Addr().Is4() ||
			(x.Local.Port() == 0) != (x.Transport == encap.TransportIP) ||
			(x.Peer.Port() == 0) != (x.Transport == encap.TransportIP) {
			t.Errorf("tunnel %q: %s to %s over %s", x.Name, x.Local, x.Peer, x.Transport)
		}
		if x.TTL < 0 || x.TTL > 255 || x.DSCP < DSCPCopy || x.DSCP > 63 || x.RetryTimeout <= 0 || x.WindowSize < 1 {
			t.Errorf("tunnel %q: %+v", x.Name, x)
		}
		for _, s := range x.Sessions {
			if k := (listener{x.Transport, x.Local, s.SID}); (s.SID == 0) != dynamic || (s.PSID == 0) != dynamic ||
				(s.RemoteEndID != "") != dynamic || !dynamic && sids[k] {
				t.Errorf("session %q: sid %d, psid %d", s.Name, s.SID, s.PSID)
			} else {
				sids[k] = true
			}
			if k := [2]string{Namespace(s.NetNS), s.InterfaceName}; nameProblem(s.InterfaceName) != "" || devices[k] {
				t.Errorf("session %q: interface %q", s.Name, s.InterfaceName)
			} else {
				devices[k] = true
			}
			checkSession(t, &s)
		}
		if dynamic && x.Control.Check() != nil {
			t.Errorf("tunnel %q: %v", x.Name, x.Control.Check())
		}
	}
	for _, x := range c.Peers {
		if err := x.Control.Check(); err != nil || x.Line < 1 {
			t.Errorf("peer %q: %v, line %d", x.Name, err, x.Line)
		}
	}
	claimed := map[string]string{}
	for _, x := range c.Profiles {
		for n := x.First; x.Template && n <= min(x.Last, x.First+100); n++ {
			if s := x.At(n); claimed[s.RemoteEndID] != "" {
				t.Errorf("profiles %q and %q have %q", x.Name, claimed[s.RemoteEndID], s.RemoteEndID)
			} else {
				claimed[s.RemoteEndID] = x.Name
			}
		}
		for _, n := range []int{x.First, x.Last} {
			s := x.At(n)
			if got, ok := x.Number(s.RemoteEndID); x.Template && (!ok || got != n) || s.InterfaceName != "" && nameProblem(s.InterfaceName) != "" {
				t.Errorf("profile %q: number %d gives %q, %q", x.Name, n, s.RemoteEndID, s.InterfaceName)
			}
			checkSession(t, &s)
		}
	}
}

func checkSession(t interface {
	Helper()
	Errorf(format string, args ...any)
}, s *Session,
) {
	t.Helper()
	if (s.PPP != nil) != (s.Pseudowire == PseudowirePPP) || s.Pseudowire == 0 || s.Line < 1 || s.Name == "" {
		t.Errorf("session %q: pseudowire %d, PPP %v", s.Name, s.Pseudowire, s.PPP)
	}
	if n := s.Cookie.Len(); n != 0 && n != 4 && n != 8 {
		t.Errorf("session %q: cookie of %d", s.Name, n)
	}
	if s.SeqNum && s.Sublayer == encap.SublayerNone || s.MTU != 0 && s.MTU < minMTU || s.TxQueueLen < 1 {
		t.Errorf("session %q: %+v", s.Name, s)
	}
	for _, a := range s.Addresses {
		if !a.IsValid() || a.Addr().IsMulticast() || a.Addr().IsUnspecified() {
			t.Errorf("session %q: address %s", s.Name, a)
		}
	}
	for _, r := range s.Routes {
		if !r.To.IsValid() || r.To != r.To.Masked() || r.Via.IsValid() && (r.Via.IsMulticast() || r.Via.IsUnspecified()) {
			t.Errorf("session %q: route %v", s.Name, r)
		}
	}
	if s.HardwareAddr != nil && (isZero(s.HardwareAddr) || s.HardwareAddr[0]&1 != 0) {
		t.Errorf("session %q: mac %s", s.Name, s.HardwareAddr)
	}
	if s.PPP != nil && s.PPP.Link.PeerAddress.IsValid() && s.PPP.Link.PeerAddress == s.PPP.Link.LocalAddress {
		t.Errorf("session %q: %s at both ends", s.Name, s.PPP.Link.PeerAddress)
	}
	if s.PPP != nil && (s.PPP.MRU != s.PPP.Link.MRU || !s.PPP.Link.IPv4 && !s.PPP.Link.IPv6 || s.PPP.Link.RestartTimer <= 0) {
		t.Errorf("session %q: %+v", s.Name, s.PPP)
	}
}

// checkErrors: every error is an *Error with a file, a message and a place that may be in the file.
func checkErrors(t *testing.T, err error, lines int) {
	t.Helper()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%T is not joined", err)
	}
	last := 0
	for _, err := range joined.Unwrap() {
		var e *Error
		if !errors.As(err, &e) || e.File != "f.toml" || e.Line < 1 || e.Line > lines || e.Column < 1 || e.Msg == "" {
			t.Fatalf("incomplete: %#v", err)
		}
		if e.Line < last {
			t.Fatalf("line %d after %d", e.Line, last)
		}
		last = e.Line
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"../../examples/*.toml", "testdata/*.toml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no %s: %v", pattern, err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	for _, tc := range badFiles {
		if len(tc.text) < 4096 {
			f.Add([]byte(tc.text))
		}
	}
	f.Add([]byte(growing + "n = \"1-45999\"\npseudowire = \"ppp\"\npeer_address = \"10.64.0.0+{n}\"\nlocal_address = \"10.1.0.1\"\n" +
		"addresses = [\"2001:db8::1/64+{n}\", \"10.2.0.0+{n}/32\"]\nroutes = [\"10.80.0.0/24+{n} via 10.2.0.0+{n}\"]\n"))
	f.Add([]byte(growing + "n = \"10-19\"\npseudowire = \"eth\"\ninterface_name = \"i{n}\"\n[profile.session.u]\nremote_end_id = \"b1{n}\"\n" +
		"n = \"0-9\"\npseudowire = \"eth\"\ninterface_name = \"i2{n}\"\n"))
	f.Add([]byte(growing + "n = \"0-9\"\npseudowire = \"eth\"\nmac = \"02:00:00:00:00:00+{n}\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseText(t, string(data))
		if (c == nil) == (err == nil) {
			t.Fatalf("configuration %v, error %v", c, err)
		}
		if err != nil {
			checkErrors(t, err, len(indexLines(data))+1)
			return
		}
		checkInvariants(t, c)
	})
}

// TestPPPDOptionsNeverPanic: options in any order, with any arguments, leave a good profile or errors.
func TestPPPDOptionsNeverPanic(t *testing.T) {
	words := []string{"1400", "0", "10.0.0.1", "10.0.0.1:10.0.0.2", ":", ",", "::1,::2", "x", "user", "auth"}
	words = append(words, slices.Sorted(maps.Keys(pppdOptions))...)
	rapid.Check(t, func(rt *rapid.T) {
		text := ""
		for _, w := range rapid.SliceOf(rapid.SampledFrom(words)).Draw(rt, "words") {
			text += w + " "
		}
		c, err := parseText(t, minimal+"[tunnel.t1.session.s]\npseudowire = \"ppp\"\nsid = 1\npsid = 1\nppp_profile = \"p\"\n"+
			"[ppp.p]\npppd_options = '"+text+"'\n")
		if err != nil {
			checkErrors(t, err, 13)
			return
		}
		checkInvariants(rt, c)
	})
}
