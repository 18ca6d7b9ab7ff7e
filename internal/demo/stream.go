package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"culvert/internal/netlab"
)

const (
	chunk      = 128 << 10       // bytes a write
	streamWait = 5 * time.Second // for connecting and for the last bytes
)

// errStream: what arrived is not what was sent.
var errStream = errors.New("TCP stream damaged")

// stream is one TCP transfer as the receiver saw it.
type stream struct {
	Bytes   int64         `json:"bytes"`
	Elapsed time.Duration `json:"elapsed_ns"`
}

func (s stream) bitsPerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Bytes) * 8 / s.Elapsed.Seconds()
}

// transfer sends as much as it can for the given time from one namespace to an address of the other, and compares
// what arrives with what was sent.
func transfer(ctx context.Context, from, to *netlab.Namespace, addr netip.Addr, d time.Duration) (stream, error) {
	tx, rx, err := connect(ctx, from, to, addr)
	if ctx.Err() != nil && err != nil {
		return stream{}, ctx.Err()
	}
	if err != nil {
		return stream{}, fmt.Errorf("TCP to %s: %w", addr, err)
	}
	defer tx.Close()
	defer rx.Close()
	limit := time.Now().Add(d + streamWait)
	if err := errors.Join(tx.SetDeadline(limit), rx.SetDeadline(limit)); err != nil {
		return stream{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = tx.SetDeadline(time.Now())
		_ = rx.SetDeadline(time.Now())
	})
	defer stop()
	pattern := make([]byte, chunk)
	_, _ = rand.Read(pattern) // never fails (crypto/rand)

	sent := make(chan error, 1)
	var out int64
	go func() {
		var err error
		out, err = send(tx, pattern, d)
		sent <- err
	}()
	s, err := receive(rx, pattern)
	_ = rx.Close() // so that a sender who is still at it ends too
	err = errors.Join(err, <-sent)
	switch {
	case ctx.Err() != nil:
		return s, ctx.Err()
	case err != nil:
		return s, fmt.Errorf("TCP to %s: %w", addr, err)
	case s.Bytes != out:
		return s, fmt.Errorf("TCP to %s: %w: %d bytes sent, %d received", addr, errStream, out, s.Bytes)
	}
	return s, nil
}

// connect opens a connection from one namespace to the other.
func connect(ctx context.Context, from, to *netlab.Namespace, addr netip.Addr) (tx, rx *net.TCPConn, err error) {
	var ln *net.TCPListener
	err = to.Do(func() (err error) {
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if err = ln.SetDeadline(time.Now().Add(streamWait)); err != nil {
		return nil, nil, err
	}
	err = from.Do(func() error {
		c, err := (&net.Dialer{Timeout: streamWait}).DialContext(ctx, "tcp", ln.Addr().String())
		if err == nil {
			tx = c.(*net.TCPConn) // "tcp" makes nothing else
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if rx, err = ln.AcceptTCP(); err != nil {
		_ = tx.Close()
		return nil, nil, err
	}
	return tx, rx, nil
}

// send writes the pattern again and again until the time is over.
func send(c *net.TCPConn, pattern []byte, d time.Duration) (n int64, err error) {
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		m, err := c.Write(pattern)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, c.CloseWrite()
}

// receive reads to the end of the stream and compares it with the pattern repeated.
func receive(c *net.TCPConn, pattern []byte) (stream, error) {
	var s stream
	start := time.Now()
	buf := make([]byte, 2*chunk)
	for {
		n, err := c.Read(buf)
		if !matches(buf[:n], pattern, s.Bytes) {
			return s, fmt.Errorf("%w within %d bytes after byte %d", errStream, n, s.Bytes)
		}
		s.Bytes += int64(n)
		s.Elapsed = time.Since(start)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
}

// matches tells whether b is what the endlessly repeated pattern holds from the offset on.
func matches(b, pattern []byte, offset int64) bool {
	at := int(offset % int64(len(pattern)))
	for len(b) > 0 {
		n := min(len(b), len(pattern)-at)
		if !bytes.Equal(b[:n], pattern[at:at+n]) {
			return false
		}
		b, at = b[n:], 0
	}
	return true
}
