package demo

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"culvert/internal/config"
)

// withSocket returns the configuration with its API at another path.
func withSocket(text []byte, socket string) ([]byte, error) {
	var doc map[string]any
	if err := toml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	api, ok := doc["api"].(map[string]any)
	if !ok {
		api = map[string]any{}
		doc["api"] = api
	}
	api["socket"] = socket
	delete(api, "metrics")
	return toml.Marshal(doc)
}

// underlay returns the addresses that the tunnels of c expect on this side.
func underlay(c *config.Config) []netip.Addr {
	var addrs []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, t := range c.Tunnels {
		if a := t.Local.Addr(); a.IsValid() && !a.IsUnspecified() && !seen[a] {
			seen[a] = true
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// pair is one pseudowire: the two configurations that make it.
type pair struct {
	tunnel *config.Tunnel // LAC's
	lac    *config.Session
	far    *config.Tunnel // LNS's
	lns    *config.Session
}

// cookie is the size in bytes of the cookie that the LNS has to send.
func (p *pair) cookie() int {
	if p.tunnel.Control != nil {
		return p.lac.CookieSize
	}
	return p.lac.Cookie.Len()
}

// errNoPair: the examples do not fit together.
var errNoPair = errors.New("the LNS has no such session")

// pairs finds the LNS session for each of the LAC's: same transport, same addresses, our id its peer id, or the Remote End
// ID that it is asked for by.
func pairs(lac, lns *config.Config) ([]pair, error) {
	var all []pair
	for i := range lac.Tunnels {
		t := &lac.Tunnels[i]
		for j := range t.Sessions {
			p, ok := findPair(t, &t.Sessions[j], lns)
			if !ok {
				return nil, fmt.Errorf("session %s/%s: %w", t.Name, t.Sessions[j].Name, errNoPair)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func findPair(t *config.Tunnel, s *config.Session, lns *config.Config) (pair, bool) {
	if t.Control != nil {
		return findDynamic(t, s, lns)
	}
	for i := range lns.Tunnels {
		far := &lns.Tunnels[i]
		if far.Transport != t.Transport || far.Local != t.Peer || far.Peer != t.Local {
			continue
		}
		for j := range far.Sessions {
			if other := &far.Sessions[j]; other.SID == s.PSID && other.PSID == s.SID {
				return pair{tunnel: t, lac: s, far: far, lns: other}, true
			}
		}
	}
	return pair{}, false
}

// findDynamic finds what the LNS has for a session that it is asked for. Its tunnel is the first of its only peer.
func findDynamic(t *config.Tunnel, s *config.Session, lns *config.Config) (pair, bool) {
	here := func(l config.Listen) bool { return l.Transport == t.Transport && l.Local == t.Peer }
	if len(lns.Peers) != 1 || !slices.ContainsFunc(lns.Listens, here) {
		return pair{}, false
	}
	far := &config.Tunnel{Name: lns.Peers[0].Name + ":1", Transport: t.Transport, Local: t.Peer, Peer: t.Local}
	for i := range lns.Profiles {
		p := &lns.Profiles[i]
		n, ok := 0, p.RemoteEndID == s.RemoteEndID
		if p.Template {
			n, ok = p.Number(s.RemoteEndID)
		}
		if ok {
			other := p.At(n)
			return pair{tunnel: t, lac: s, far: far, lns: &other}, true
		}
	}
	return pair{}, false
}

// first returns the first address of a family among those of an Ethernet session's device.
func first(prefixes []netip.Prefix, v6 bool) netip.Addr {
	for _, p := range prefixes {
		if p.Addr().Is6() == v6 {
			return p.Addr()
		}
	}
	return netip.Addr{}
}
