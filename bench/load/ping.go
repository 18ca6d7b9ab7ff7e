package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix" //nolint:depguard // see sys.go
)

// PingConfig tells how to ask.
type PingConfig struct {
	To       netip.AddrPort // a sink (its counting port; requests go to the next one)
	Size     int            // IP length of requests and replies; 0: MinSize
	Duration time.Duration
	Interval time.Duration // between a reply and the next request; 0: none
	Wait     time.Duration // for a reply, 0: 1 s
	Count    int           // requests at most, 0: no limit but maxSamples
}

// maxSamples bounds the memory of Ping.
const maxSamples = 4 << 20

// ErrNoReply says that not one request was answered.
var ErrNoReply = errors.New("no reply")

// Ping sends a request, waits for its reply, and so on, and returns how long that took.
func Ping(ctx context.Context, c PingConfig) (Latency, error) {
	if c.Size == 0 {
		c.Size = MinSize
	}
	if c.Size < MinSize || c.Size > MaxSize {
		return Latency{}, ErrSize
	}
	if c.Wait <= 0 {
		c.Wait = time.Second
	}
	if c.Count <= 0 || c.Count > maxSamples {
		c.Count = maxSamples
	}
	s, err := dialUDP(netip.AddrPortFrom(c.To.Addr(), c.To.Port()+1))
	if err != nil {
		return Latency{}, fmt.Errorf("ask %s: %w", c.To, err)
	}
	defer s.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	preciseSleep()
	sent, rtts, err := ask(ctx, s, c)
	if err == nil && len(rtts) == 0 {
		err = fmt.Errorf("%w from %s", ErrNoReply, c.To)
	}
	return latency(sent, rtts), err
}

func ask(ctx context.Context, s *socket, c PingConfig) (sent int, rtts []time.Duration, err error) {
	length := c.Size - udpOverhead(!c.To.Addr().Unmap().Is4())
	out, in := make([]byte, length), make([]byte, maxDatagram)
	trial := rand.Uint32() //nolint:gosec // only tells trials apart
	end := time.Now().Add(c.Duration)
	for ; sent < c.Count && time.Now().Before(end); sent++ {
		if ctx.Err() != nil {
			return sent, rtts, context.Cause(ctx)
		}
		h := header{trial: trial, kind: kindRequest, seq: uint32(sent)}
		h.put(out)
		h.kind = kindReply
		start := time.Now()
		if _, err = unix.Write(s.fd, out); err != nil && !transient(err) {
			return sent, rtts, err
		}
		answered, err := await(ctx, s, in, h, start.Add(c.Wait))
		if err != nil {
			return sent, rtts, err
		}
		if answered {
			rtts = append(rtts, time.Since(start))
		}
		if c.Interval > 0 {
			sleep(c.Interval)
		}
	}
	return sent, rtts, nil
}

// await waits for the packet with header want.
func await(ctx context.Context, s *socket, in []byte, want header, until time.Time) (bool, error) {
	for ctx.Err() == nil && time.Now().Before(until) {
		n, err := unix.Read(s.fd, in)
		switch {
		case errors.Is(err, unix.ECONNREFUSED):
			sleep(10 * time.Millisecond) // nobody listens yet
			return false, nil
		case err != nil && !transient(err):
			return false, err
		case err != nil:
			continue
		}
		if h, ok := parseHeader(in[:n]); ok && h == want {
			return true, nil
		}
	}
	return false, nil
}

// transient tells whether a socket may well work the next time.
func transient(err error) bool {
	return again(err) || localDrop(err) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) ||
		errors.Is(err, unix.ENETUNREACH)
}
