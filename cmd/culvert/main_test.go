package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"culvert/client"
	"culvert/internal/mgmt"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// stopperEnv makes the test binary wait for signals as `run` does, and take long to stop.
const stopperEnv = "CULVERT_TEST_STOPPER"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main() // does not return
	}
	if os.Getenv(stopperEnv) != "" {
		stopper()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// stopper says "ready", then "stopping" at the first signal, and ends by itself one second later, or ten with "slow".
func stopper() {
	ctx, release := untilSignal(context.Background(), zap.NewNop())
	defer release()
	fmt.Fprintln(os.Stdout, "ready")
	<-ctx.Done()
	fmt.Fprintln(os.Stdout, "stopping")
	if os.Getenv(stopperEnv) == "slow" {
		time.Sleep(10 * time.Second)
	}
}

// result is what a command line did.
type result struct {
	status         int
	stdout, stderr string
}

func culvert(args ...string) result {
	var stdout, stderr bytes.Buffer
	status := execute(context.Background(), args, &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// golden compares text with testdata/name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// source is a culvert with something to show.
type source struct{}

func (source) Version() string { return "9.8.7" }

func (source) Tunnels() []client.Tunnel {
	return []client.Tunnel{
		{
			Name: "t2", Transport: "ip", Local: "2001:db8::1", Peer: "2001:db8::2", TID: 4294967295, PTID: 4, State: "up",
			PathMTU: 1280,
		},
		{
			Name: "t1", Transport: "udp", Local: "192.0.2.1:1701", Peer: "192.0.2.2:1701", TID: 1, PTID: 2, State: "up",
			PathMTU: 1500, Sessions: 2,
			Traffic: client.Traffic{RxPackets: 9999, RxBytes: 13_998_600, TxPackets: 12_345_678, TxBytes: 17_283_949_200},
		},
	}
}

func (s source) Tunnel(name string) (client.Tunnel, bool) {
	for _, v := range s.Tunnels() {
		if v.Name != name {
			continue
		}
		if name == "t2" {
			v.State = "established"
			v.Control = &client.Control{
				Role: "responder", HostName: "lac\x1b1", VendorName: "culvert", RouterID: 7, Ns: 12, Nr: 9, Window: 32, CongestionWindow: 5,
				InFlight: 1, RTT: 0.4567, Sent: 12, Retransmissions: 2, Received: 9, Duplicates: 1, Waiting: 3, Settling: 4, Silence: 1.25,
			}
		}
		return v, true
	}
	return client.Tunnel{}, false
}

func (source) Sessions() iter.Seq[client.Session] {
	all := []client.Session{
		{Name: "e1", Tunnel: "t2", Pseudowire: "eth", SID: 7, PSID: 8, Interface: "cust-a", Worker: 1, State: "up", MTU: 1430},
		{
			Name: "s2", Tunnel: "t1", Pseudowire: "ppp", SID: 1002, PSID: 2003, Interface: "sub00002", State: "establish", MTU: 1448,
			PPP: &client.PPP{
				LCP: "Req-Sent", IPCP: "Initial", IPv6CP: "Initial", LocalMRU: 1448, PeerMRU: 1500, Framing: "hdlc",
				Reason: "no answer\x1b[2J", IPCPReason: "peer rejects IPCP", IPv6CPReason: "no answer to Configure-Requests",
			},
		},
		{
			Name: "s1", Tunnel: "t1", Pseudowire: "ppp", SID: 1001, PSID: 2002, Interface: "sub00001", State: "up", MTU: 1448,
			Offloads: []string{"csum", "tso4"},
			Traffic:  client.Traffic{RxPackets: 9999, RxBytes: 13_998_600, TxPackets: 12_345_678, TxBytes: 17_283_949_200},
			Drops:    map[string]uint64{"old_sequence": 1, "cookie_mismatch": 12},
			PPP: &client.PPP{
				LocalAuth: "chap", LocalName: "me", PeerAuth: "mschapv2", PeerName: "sub\x1b1",
				LCP: "Opened", IPCP: "Opened", IPv6CP: "Opened", LocalMRU: 1448, PeerMRU: 1400, LocalAddress: "10.77.0.1",
				PeerAddress: "10.77.0.2", LocalID: "fe80::1", PeerID: "fe80::2", DNS: []string{"192.0.2.53", "192.0.2.54"}, Framing: "hdlc",
				Prefix: "2001:db8:0:7::/64", Delegated: "2001:db8:8000:700::/56", IPCPReason: "pool customers: no address left",
			},
		},
	}
	slices.SortFunc(all, func(a, b client.Session) int { return strings.Compare(a.FullName(), b.FullName()) })
	return slices.Values(all)
}

func (s source) Session(tunnel, name string) (client.Session, bool) {
	for e := range s.Sessions() {
		if e.Tunnel != tunnel || e.Name != name {
			continue
		}
		switch name {
		case "s1":
			e.Link = &client.Link{
				Phase: "network", Seconds: 93784.5, LocalOptions: []string{"mru 1448", "magic 0x12345678"}, PeerOptions: []string{"mru 1400"},
				RxDataPackets: 9900, TxDataPackets: 12_345_600,
				Echo: &client.Echo{
					Sent: 4, Lost: 1, RTTLast: 0.25, RTTMin: 0.25, RTTMean: 1.083, RTTMax: 2, Recent: []float64{0.25, -1, 1, 2},
				},
				Counters: map[string]uint64{"frames_in": 99, "frames_out": 78, "echo_replies_in": 3},
			}
		case "s2":
			e.Link = &client.Link{
				Phase: "establish", Failures: 7,
				Echo: &client.Echo{Recent: []float64{}},
			}
		}
		return e, true
	}
	return client.Session{}, false
}

func (source) Workers() []client.Worker {
	return []client.Worker{
		{ID: 1, Sessions: 1},
		{
			ID: 0, Sessions: 2, RxBatches: 5000, TxBatches: 4000, Punted: 20, Injected: 21, Dropped: 13,
			RxCPU: 12.34, TxCPU: 0.05, Offloads: []string{"udp-gso", "udp-gro"},
			Traffic: client.Traffic{RxPackets: 9999, RxBytes: 13_998_600, TxPackets: 12_345_678, TxBytes: 17_283_949_200},
		},
	}
}

func (source) Drops() []client.Drop {
	return []client.Drop{
		{Reason: "unknown_session", Help: "no session has this id"},
		{Reason: "cookie_mismatch", Help: "the cookie is not the session's", Count: 12},
	}
}

func (source) Pools() []client.Pool {
	return []client.Pool{
		{Name: "lan", Kind: "ipv6", PrefixLength: 56, Size: 1 << 24, Used: 2, Free: 1<<24 - 2},
		{Name: "customers", Kind: "ipv4", PrefixLength: 32, Size: 254, Used: 254, Exhausted: 12},
	}
}

func (source) Shared() []client.Shared {
	return []client.Shared{
		{Name: "access", Pseudowire: "eth", Interface: "acc0", MTU: 1500, Sessions: 3, MACs: 17, MACsRefused: 2, MACsMoved: 1, Flooded: 1234},
		{Name: "subscribers", Pseudowire: "ppp", Interface: "subs", MTU: 1500, Sessions: 12345, Destinations: 24690, Refused: 1, Drops: map[string]uint64{"no_route": 7, "link_local": 2}},
		{Name: "old", Pseudowire: "ppp", Interface: "old0", MTU: 1400, Lost: true},
	}
}

func (source) MACs(shared string) ([]client.MAC, bool) {
	return []client.MAC{
		{Address: "02:00:5e:00:53:02", VLAN: 7, Session: "t2/e\x1b1", Idle: 18.75}, {Address: "02:00:5e:00:53:01"},
	}, shared == "access"
}

func (source) Messages(name string) ([]client.Message, bool) {
	if name != "t2" {
		return nil, name == "t3"
	}
	return []client.Message{
		{
			Time: "2026-01-02T03:04:05.123456789Z", Direction: "sent", Peer: "192.0.2.2:1701", Type: "ICRQ", CCID: 77, Ns: 2, Nr: 1,
			Length: 104, LocalSession: 5, AVPs: []client.AVP{
				{Name: "Remote End ID", Value: "a\x1bb", Mandatory: true, Hidden: true}, {Name: "Serial Number", Value: "1"},
			},
		},
		{Time: "2026-01-02T03:04:05.2Z", Direction: "received", Peer: "192.0.2.2:1701", Type: "ZLB", CCID: 78, Ns: 1, Nr: 3, Length: 12, Problem: "cut"},
	}, true
}

func (source) Capture(r client.CaptureRequest) (mgmt.Capture, error) {
	if r.Tunnel != "t1" {
		return nil, mgmt.Refuse(http.StatusNotFound, "no tunnel %q", r.Tunnel)
	}
	return captured(r.Count), nil
}

func (source) Profiles() []client.Profile {
	return []client.Profile{{Kind: "session", Name: "subs", Sessions: 12345, Up: 12000}, {Kind: "ppp", Name: "none"}}
}

func (source) Diagnose(_ context.Context, tunnel string, wait time.Duration) ([]client.Finding, error) {
	switch tunnel {
	case "t1":
		return []client.Finding{
			{Check: "path_mtu", Level: "good", Found: "1500 bytes", Evidence: wait.String()},
			{Check: "cookie", Level: "bad", Session: "t1/s1", Found: "another\x1b one", Evidence: "3 packets", Remedy: "change it"},
		}, nil
	case "t2":
		return []client.Finding{{Check: "traffic", Level: "good", Found: "packets come and go"}}, nil
	}
	return nil, mgmt.Refuse(http.StatusNotFound, "no tunnel %q", tunnel)
}

func (source) Levels() []client.LogLevel {
	return []client.LogLevel{{Kind: client.LevelOfSubsystem, Name: "ppp", Level: "info"}, {Kind: client.LevelOfTunnel, Name: "t1", Level: "debug", Own: true}}
}

func (source) Config() (client.Config, error) {
	return client.Config{File: "/etc/culvert/culvert.toml", Text: "a = \"b\u001b\"\n[x]\n"}, nil
}

func (s source) Events() *mgmt.Feed { return new(mgmt.Feed) }

// captured is a capture of so many packets, which ends at an interrupt where that is 0.
type captured uint64

func (c captured) Run(ctx context.Context, w *bufio.Writer) (mgmt.CaptureResult, error) {
	_, err := fmt.Fprintf(w, "%d packets", c)
	if err == nil {
		err = w.Flush()
	}
	if c == 0 {
		<-ctx.Done()
	}
	return client.CaptureResult{Captured: uint64(c), Dropped: 2}, err
}

func (captured) Close() {}

// serve runs the management interface of src and returns its socket.
func serve(t *testing.T, src mgmt.Source, opts ...mgmt.Option) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv") //nolint:usetesting // t.TempDir has the test's name in it: too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := mgmt.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgmt.Serve(ctx, ln, src, opts...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return path
}

// wantFailure checks a result without output that failed with the given lines on standard error.
func wantFailure(t *testing.T, r result, status int, stderr ...string) {
	t.Helper()
	if want := strings.Join(stderr, "\n") + "\n"; r.status != status || r.stdout != "" || r.stderr != want {
		t.Errorf("status %d, stdout %q, stderr:\n%swant %d and:\n%s", r.status, r.stdout, r.stderr, status, want)
	}
}
