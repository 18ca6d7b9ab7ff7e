package daemon

import (
	"net/netip"
	"testing"

	"go.uber.org/zap"
)

// TestKnown: peers that we dial are known, as are the addresses of peers that may dial us.
func TestKnown(t *testing.T) {
	ns, port := newNS(t), freePorts(t, 1)[0]
	text := answering(ns, `"the secret"`, port) + "[tunnel.t]\nencap = \"ip\"\nlocal = \"127.0.0.8\"\npeer = \"192.0.2.1\"\n"
	d, err := start(parse(t, text), Options{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	for addr, want := range map[string]bool{"192.0.2.1": true, "127.9.9.9": true, "192.0.2.2": false} {
		if got := (policy{d}).Known(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is known: %v", addr, got)
		}
	}
}
