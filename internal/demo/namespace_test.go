package demo

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"culvert/internal/netlab"
	"culvert/internal/testenv"
)

// joined returns two namespaces with 192.0.2.1 and 192.0.2.2 on a veth.
func joined(t *testing.T) (a, b *netlab.Namespace) {
	t.Helper()
	testenv.RequireNetns(t)
	var both [2]*netlab.Namespace
	for i := range both {
		n, err := netlab.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		both[i] = n
	}
	a, b = both[0], both[1]
	if err := a.Join(b, vethName, vethMTU); err != nil {
		t.Fatal(err)
	}
	for i, n := range both {
		for _, p := range []string{"192.0.2." + strconv.Itoa(i+1) + "/24", "2001:db8::" + strconv.Itoa(i+1) + "/64"} {
			if err := n.Address(vethName, netip.MustParsePrefix(p)); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Up(vethName); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func TestPingAndStream(t *testing.T) {
	a, b := joined(t)
	for _, to := range []string{"192.0.2.2", "2001:db8::2"} {
		stats, err := ping(t.Context(), a, netip.MustParseAddr(to), 3)
		if err != nil || stats.Received != 3 || stats.Median <= 0 {
			t.Errorf("ping %s: %+v, %v", to, stats, err)
		}
	}
	s, err := transfer(t.Context(), a, b, netip.MustParseAddr("192.0.2.2"), 200*time.Millisecond)
	if err != nil || s.Bytes == 0 || s.Elapsed < 150*time.Millisecond {
		t.Errorf("transfer: %+v, %v", s, err)
	}
	if _, here := a.Index(vethName); !here {
		t.Error("the veth is not in its namespace")
	}
	if _, err := os.Stat("/sys/class/net/" + vethName); err == nil {
		t.Error("the veth is in the test's own namespace")
	}
}

func TestPingNobody(t *testing.T) {
	a, _ := joined(t)
	if _, err := ping(t.Context(), a, netip.MustParseAddr("192.0.2.9"), 1); err == nil {
		t.Error("a reply from nobody")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ping(ctx, a, netip.MustParseAddr("192.0.2.2"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled ping: %v", err)
	}
}

func TestTransferStopsWithContext(t *testing.T) {
	a, b := joined(t)
	for _, after := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(after, cancel)
		start := time.Now()
		_, err := transfer(ctx, a, b, netip.MustParseAddr("192.0.2.2"), time.Minute)
		if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
			t.Errorf("cancelled after %v, ended after %v: %v", after, time.Since(start), err)
		}
		cancel()
	}
}

// leftovers are the folders of demos in the temporary directory.
func leftovers(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "culvert-demo-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}
