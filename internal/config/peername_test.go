package config

import (
	"strings"
	"testing"
)

// TestPeerName: the peer of a dynamic tunnel keeps its name, which need not be resolvable now; that of a static one must be.
func TestPeerName(t *testing.T) {
	for _, r := range []struct{ peer, name, warning string }{
		{"both.example", "both.example", ""},
		{"both.example:1702", "both.example", ""},
		{"six.example", "six.example", "six.example has no IPv4 address"},
		{"nobody.example", "nobody.example", "no such host"},
		{"192.0.2.2", "", ""},
	} {
		c := mustParse(t, strings.Replace(dial, "192.0.2.2", r.peer, 1))
		tun := c.Tunnels[0]
		if tun.PeerName != r.name || (r.name != "") == tun.Peer.Addr().IsValid() || tun.Peer.Port() == 0 {
			t.Errorf("%s: name %q, peer %v", r.peer, tun.PeerName, tun.Peer)
		}
		warned := ""
		for _, w := range c.Warnings {
			warned += w.Error()
		}
		if !strings.Contains(warned, r.warning) || r.warning == "" && strings.Contains(warned, "resolve") {
			t.Errorf("%s: warnings %q", r.peer, warned)
		}
		found, err := tun.PeerAddresses(t.Context(), fakeNames{})
		if ok := r.peer == "both.example" || r.name == "both.example"; ok != (err == nil && len(found) == 1) {
			t.Errorf("%s: %v, %v", r.peer, found, err)
		}
	}
	for _, peer := range []string{"not a name", "both.example:nix", "both.example:0"} {
		if _, err := parseText(t, strings.Replace(dial, "192.0.2.2", peer, 1)); err == nil {
			t.Errorf("%s is taken", peer)
		}
	}
	if tun := mustParse(t, strings.Replace(minimal, "192.0.2.2", "both.example", 1)).Tunnels[0]; tun.PeerName != "" || !tun.Peer.Addr().IsValid() {
		t.Errorf("static: %+v", tun)
	}
}
