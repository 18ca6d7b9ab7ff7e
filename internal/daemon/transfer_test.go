package daemon

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The test binary as one end of a transfer, in the namespace that it was started in: the server's address in one of
// these variables says which end.
const (
	serveEnv = "CULVERT_DAEMON_TEST_SERVE"
	fetchEnv = "CULVERT_DAEMON_TEST_FETCH"
)

// transferSize is what goes each way, bytes; transferTime is what both may take.
const (
	transferSize = 32 << 20
	transferTime = 60 * time.Second
)

// payload is what one end sends: the same bytes for the same seed.
func payload(seed uint64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), transferSize)
}

func digest(r io.Reader) ([]byte, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return h.Sum(nil), err
}

// exchange sends one payload and receives the other, at the same time.
func exchange(c net.Conn, send, want uint64) error {
	_ = c.SetDeadline(time.Now().Add(transferTime))
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, payload(send))
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := digest(c)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if expected, _ := digest(payload(want)); !bytes.Equal(got, expected) {
		return errors.New("what came is not what was sent")
	}
	return nil
}

// transferEnd runs this process as one end of a transfer when it was started as one.
func transferEnd() (bool, error) {
	if addr := os.Getenv(serveEnv); addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return true, err
		}
		_, _ = fmt.Println("listening")
		c, err := l.Accept()
		if err != nil {
			return true, err
		}
		return true, exchange(c, 1, 2)
	}
	if addr := os.Getenv(fetchEnv); addr != "" {
		c, err := net.DialTimeout("tcp", addr, transferTime)
		if err != nil {
			return true, err
		}
		return true, exchange(c, 2, 1)
	}
	return false, nil
}

// transfer moves transferSize bytes each way between two namespaces at the same time and compares their hashes.
func transfer(t *testing.T, nsA, nsB, addr string) {
	t.Helper()
	command := func(ns, env string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns, testBinary(t))
		cmd.Env = append(os.Environ(), env+"="+addr)
		return cmd
	}
	server := command(nsB, serveEnv)
	var serverErr strings.Builder
	server.Stderr = &serverErr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatalf("server on %s: %v: %s", addr, server.Wait(), serverErr.String())
	}
	began := time.Now()
	if out, err := command(nsA, fetchEnv).CombinedOutput(); err != nil {
		t.Errorf("client to %s: %v: %s", addr, err, out)
		_ = server.Process.Kill()
	}
	if err := server.Wait(); err != nil {
		t.Errorf("server on %s: %v: %s", addr, err, serverErr.String())
	}
	t.Logf("%s: %d MiB each way in %v", addr, transferSize>>20, time.Since(began).Round(time.Millisecond))
}

// TestTransfers moves data through both pseudowires, over IPv4 and IPv6 inside, with and without offloads, while the
// kernel's own TCP checks every byte.
func TestTransfers(t *testing.T) {
	for _, offload := range []string{"auto", "off"} {
		t.Run(offload, func(t *testing.T) {
			nsA, nsB := newNS(t), newNS(t)
			textA, textB := twoEnds(nsA, nsB, freePorts(t, 2))
			setting := fmt.Sprintf("offload = %q\n", offload)
			a, b := run(t, setting+textA), run(t, setting+textB)
			eventually(t, "PPP up", func() bool { return a.session("line").State == "up" && b.session("line").State == "up" })
			for _, to := range []string{"10.77.0.2", "fe80::2%line", "10.78.0.2", "fd78::2"} {
				eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
				transfer(t, nsA, nsB, net.JoinHostPort(to, "5001"))
			}
			for _, s := range []string{"line", "wire"} {
				if d := b.session(s).Drops; d["malformed"]+d["truncated"]+d["device"] > 0 {
					t.Errorf("%s: drops %v", s, d)
				}
			}
		})
	}
}
