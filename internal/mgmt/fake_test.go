package mgmt

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSource shows fixed values, out of order on purpose. enter, when set, runs at the start of each Sessions.
type fakeSource struct {
	tunnels  []Tunnel
	sessions []Session
	workers  []Worker
	drops    []Drop
	pools    []Pool
	shared   []Shared
	macs     []MAC
	messages map[string][]Message
	asked    CaptureRequest
	closed   atomic.Int32
	enter    func()
	feed     Feed
}

func (f *fakeSource) Tunnels() []Tunnel { return slices.Clone(f.tunnels) }
func (f *fakeSource) Tunnel(name string) (Tunnel, bool) {
	i := slices.IndexFunc(f.tunnels, func(t Tunnel) bool { return t.Name == name })
	if i < 0 {
		return Tunnel{}, false
	}
	return f.tunnels[i], true
}

func (f *fakeSource) Messages(name string) ([]Message, bool) {
	ms, ok := f.messages[name]
	return slices.Clone(ms), ok
}

func (f *fakeSource) Capture(r CaptureRequest) (Capture, error) {
	f.asked = r
	switch r.Tunnel {
	case "busy":
		return nil, Refuse(http.StatusConflict, "another capture is running")
	case "broken":
		return nil, errors.New("out of order")
	}
	return &fakeCapture{f}, nil
}

// fakeCapture says "packet" again and again, until it has done so Count times or is to end.
type fakeCapture struct{ f *fakeSource }

func (c *fakeCapture) Run(ctx context.Context, w *bufio.Writer) (res CaptureResult, err error) {
	for ctx.Err() == nil && (c.f.asked.Count == 0 || res.Captured < c.f.asked.Count) {
		res.Captured++
		if _, err := w.WriteString("packet\n"); err != nil {
			return res, err
		}
		if err := w.Flush(); err != nil {
			return res, err
		}
		time.Sleep(time.Millisecond)
	}
	res.Dropped = 7
	_, err = w.WriteString("end\n")
	return res, errors.Join(err, w.Flush())
}

func (c *fakeCapture) Close() { c.f.closed.Add(1) }

func (f *fakeSource) Profiles() []Profile {
	return []Profile{{Kind: "session", Name: "a"}, {Kind: "ppp", Name: "z", Sessions: 3, Up: 2}, {Kind: "ppp", Name: "b"}}
}

func (f *fakeSource) Diagnose(_ context.Context, tunnel string, wait time.Duration) ([]Finding, error) {
	if tunnel != "t1" {
		return nil, Refuse(http.StatusNotFound, "no tunnel %q", tunnel)
	}
	return []Finding{
		{Check: "cookie", Level: "bad", Session: "t1/s1", Found: "another one", Evidence: wait.String(), Remedy: "change it"},
		{Check: "path_mtu", Level: "good", Found: "1500 bytes"},
	}, nil
}

func (f *fakeSource) Levels() []LogLevel {
	return []LogLevel{{Kind: LevelOfSubsystem, Name: "ppp", Level: "info"}, {Kind: LevelOfTunnel, Name: "t1", Level: "debug", Own: true}}
}

func (f *fakeSource) Config() (Config, error) {
	if f.tunnels == nil {
		return Config{}, errors.New("out of order")
	}
	return Config{File: "/f", Text: "a = 1\n"}, nil
}

func (f *fakeSource) Events() *Feed { return &f.feed }

func (f *fakeSource) Workers() []Worker { return slices.Clone(f.workers) }
func (f *fakeSource) Drops() []Drop     { return slices.Clone(f.drops) }
func (f *fakeSource) Pools() []Pool     { return slices.Clone(f.pools) }
func (f *fakeSource) Shared() []Shared  { return slices.Clone(f.shared) }
func (f *fakeSource) MACs(shared string) ([]MAC, bool) {
	return slices.Clone(f.macs), shared == "a/b"
}
func (f *fakeSource) Version() string { return "1.2.3-fake" }

func (f *fakeSource) Sessions() iter.Seq[Session] {
	if f.enter != nil {
		f.enter()
	}
	return slices.Values(slices.SortedFunc(slices.Values(f.sessions), func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Tunnel, b.Tunnel), cmp.Compare(a.Name, b.Name))
	}))
}

func (f *fakeSource) Session(tunnel, name string) (Session, bool) {
	for s := range f.Sessions() {
		if s.Tunnel == tunnel && s.Name == name {
			return s, true
		}
	}
	return Session{}, false
}

func newFake() *fakeSource {
	return &fakeSource{
		tunnels: []Tunnel{
			{Name: "t2", Transport: "ip", Local: "192.0.2.1", Peer: "192.0.2.9", TID: 3, PTID: 4, State: "up", PathMTU: 1400},
			{Name: "t1", Transport: "udp", Local: "192.0.2.1:1701", Peer: "192.0.2.2:1701", TID: 1, PTID: 2, State: "up", PathMTU: 1500, Sessions: 2, Traffic: Traffic{RxPackets: 1, RxBytes: 2, TxPackets: 3, TxBytes: 4}},
		},
		sessions: []Session{
			{Name: "a", Tunnel: "t2", Pseudowire: "eth", SID: 7, PSID: 8, Interface: "tap0", State: "up", MTU: 1362},
			{Name: "s2", Tunnel: "t1", Pseudowire: "ppp", SID: 1002, PSID: 2003, Interface: "sub2", Worker: 1, State: "establish", PPP: &PPP{LCP: "Req-Sent", Framing: "hdlc", PeerName: "joe", PeerAddress: "10.0.0.7"}},
			{Name: "s1", Tunnel: "t1", Pseudowire: "ppp", SID: 1001, PSID: 2002, Interface: "sub1", State: "up", Drops: map[string]uint64{"cookie": 5}},
			{Name: "..", Tunnel: "t1", Pseudowire: "eth", SID: 9, PSID: 9, State: "down"},
			{Name: "a b/%2F?#\u00e9", Tunnel: "t1", Pseudowire: "eth", SID: 10, PSID: 10, State: "down"},
		},
		messages: map[string][]Message{"t1": {
			{Time: "2026-01-02T03:04:05.6Z", Direction: "sent", Peer: "192.0.2.2:1701", Type: "ICRQ", CCID: 2, Ns: 3, Nr: 4, Length: 99, LocalSession: 5, AVPs: []AVP{{Name: "Remote End ID", Value: "sub_1", Mandatory: true, Hidden: true}}},
			{Time: "2026-01-02T03:04:05.7Z", Direction: "received", Peer: "192.0.2.2:1701", Type: "ZLB", CCID: 1, Ns: 4, Nr: 4, Length: 12, AVPs: []AVP{}, Problem: "none really"},
		}},
		workers: []Worker{{ID: 1, Sessions: 1}, {ID: 0, Sessions: 2, Punted: 3}},
		drops:   []Drop{{Reason: "unknown_session", Help: "no such session", Count: 2}, {Reason: "cookie", Help: "wrong cookie", Count: 5}},
		shared:  []Shared{{Name: "b", Interface: "b0", Refused: 3}, {Name: "a", Interface: "a0", Sessions: 7, Destinations: 8, MTU: 1500}},
		macs:    []MAC{{Address: "02:00:00:00:00:02", VLAN: 7, Session: "t1/s1", Idle: 18.75}, {Address: "02:00:00:00:00:01"}},
		pools:   []Pool{{Name: "v6", Kind: "ipv6", PrefixLength: 56, Size: 1 << 61, Free: 1 << 61}, {Name: "v4", Kind: "ipv4", PrefixLength: 32, Size: 3, Used: 2, Free: 1, Exhausted: 4}},
	}
}

// socketPath is short enough for sun_path whatever the test is called.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv") //nolint:usetesting // t.TempDir has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "culvert.sock")
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// serve runs a server until the test ends, or stop is called, which returns what Serve did.
func serve(t *testing.T, src Source, opts ...Option) (path string, stop func() error) {
	t.Helper()
	path = socketPath(t)
	ln := listen(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, src, opts...); close(done) }()
	stop = func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("Serve does not stop")
			return nil
		}
	}
	t.Cleanup(func() { _ = stop() })
	return path, stop
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}
