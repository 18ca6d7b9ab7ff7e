package mgmt

import (
	"net"
	"os"
	"testing"
)

// TestPeerIsWhoConnected: what counts is who made the connection, not who holds it or writes to it later.
func TestPeerIsWhoConnected(t *testing.T) {
	path := socketPath(t)
	ln := identified{listen(t, path)}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	who, known := peerOf(withPeer(t.Context(), s))
	own, err := os.Getgroups()
	if err != nil || !known || who.uid != uint32(os.Geteuid()) || !who.in(uint32(os.Getegid())) || who.in(1<<32-1) {
		t.Errorf("%+v, %v, %v", who, known, err)
	}
	for _, g := range own {
		if !who.in(uint32(g)) {
			t.Errorf("not in %d: %+v", g, who)
		}
	}
	if _, known := peerOf(t.Context()); known {
		t.Error("somebody is known without a connection")
	}
}
