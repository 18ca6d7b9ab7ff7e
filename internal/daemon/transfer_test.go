package daemon

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// transferTime is what a transfer may take.
const transferTime = 60 * time.Second

// inside runs f on a thread of its own in a namespace. What it opens stays there; the thread ends.
func inside(t *testing.T, ns string, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		handle, err := netns.GetFromName(ns)
		if err == nil {
			err = errors.Join(netns.Set(handle), handle.Close())
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("in %s: %v", ns, err)
	}
}

// payload is what one end sends: the same bytes for the same seed.
func payload(seed uint64, size int64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

func digest(r io.Reader) ([]byte, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return h.Sum(nil), err
}

// exchange sends one payload and receives the other, at the same time.
func exchange(c net.Conn, send, want uint64, size int64) error {
	_ = c.SetDeadline(time.Now().Add(transferTime))
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, payload(send, size))
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := digest(c)
	if err := errors.Join(err, <-sent, c.Close()); err != nil {
		return err
	}
	if expected, _ := digest(payload(want, size)); !bytes.Equal(got, expected) {
		return errors.New("what came is not what was sent")
	}
	return nil
}

// transfer moves so many bytes each way between two namespaces at the same time and compares their hashes.
func transfer(t *testing.T, nsA, nsB, addr string, size int64) {
	t.Helper()
	var l net.Listener
	inside(t, nsB, func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	defer l.Close()
	began := time.Now()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = exchange(c, 1, 2, size)
		}
		served <- err
	}()
	inside(t, nsA, func() error {
		c, err := net.DialTimeout("tcp", addr, transferTime)
		if err != nil {
			return err
		}
		return exchange(c, 2, 1, size)
	})
	if err := <-served; err != nil {
		t.Errorf("server on %s: %v", addr, err)
	}
	t.Logf("%s: %d MiB each way in %v", addr, size>>20, time.Since(began).Round(time.Millisecond))
}

// TestTransfers moves data through both pseudowires, over IPv4 and IPv6 inside, with and without offloads, while the
// kernel's own TCP checks every byte.
func TestTransfers(t *testing.T) {
	for _, offload := range []string{"auto", "off"} {
		t.Run(offload, func(t *testing.T) {
			nsA, nsB := newNS(t), newNS(t)
			textA, textB := twoEnds(nsA, nsB, freePorts(t, 2))
			setting := "offload = \"" + offload + "\"\n"
			a, b := run(t, setting+textA), run(t, setting+textB)
			eventually(t, "PPP up", func() bool { return a.session("line").State == "up" && b.session("line").State == "up" })
			for _, to := range []string{"10.77.0.2", "fe80::2%line", "10.78.0.2", "fd78::2"} {
				eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
				transfer(t, nsA, nsB, net.JoinHostPort(to, "5001"), 32<<20)
			}
			for _, s := range []string{"line", "wire"} {
				if d := b.session(s).Drops; d["malformed"]+d["truncated"]+d["device"] > 0 {
					t.Errorf("%s: drops %v", s, d)
				}
			}
		})
	}
}
