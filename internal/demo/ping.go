package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"culvert/encap"
	"culvert/internal/netlab"
)

// ICMP echo, RFC 792 page 14 and RFC 4443 sections 4.1 and 4.2.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	echoHeader               = 8  // type, code, checksum, identifier, sequence number
	echoData                 = 56 // bytes, as ping(8)
	echoWait                 = time.Second
	echoWarmUp               = 200 * time.Millisecond // the first answer: neighbour discovery takes its time
	echoWarmUps              = 25
	echoPause                = 20 * time.Millisecond
)

// errNoReply: not one echo request was answered.
var errNoReply = errors.New("no echo reply")

// echoStats is what pinging has shown.
type echoStats struct {
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Median   time.Duration `json:"median_ns"`
}

// ping sends count echo requests from the namespace, one after the other, and waits for each reply.
func ping(ctx context.Context, n *netlab.Namespace, to netip.Addr, count int) (echoStats, error) {
	var stats echoStats
	conn, err := openICMP(n, to.Is6())
	if err != nil {
		return stats, fmt.Errorf("ping %s: %w", to, err)
	}
	defer conn.Close()
	e := newEcho(to)
	if err := e.warmUp(ctx, conn); err != nil {
		return stats, fmt.Errorf("ping %s: %w", to, err)
	}
	var rtts []time.Duration
	for seq := range count {
		if ctx.Err() != nil {
			return stats, ctx.Err()
		}
		rtt, err := e.exchange(conn, uint16(seq), echoWait)
		stats.Sent++
		if err == nil {
			stats.Received++
			rtts = append(rtts, rtt)
			time.Sleep(echoPause)
		} else if !errors.Is(err, errNoReply) {
			return stats, fmt.Errorf("ping %s: %w", to, err)
		}
	}
	if len(rtts) == 0 {
		return stats, fmt.Errorf("ping %s: %w to %d requests", to, errNoReply, count)
	}
	slices.Sort(rtts)
	stats.Median = rtts[len(rtts)/2]
	return stats, nil
}

func openICMP(n *netlab.Namespace, v6 bool) (conn *net.IPConn, err error) {
	network := "ip4:1"
	if v6 {
		network = "ip6:58"
	}
	err = n.Do(func() (err error) {
		conn, err = net.ListenIP(network, nil)
		return err
	})
	return conn, err
}

// echo is a series of requests to one address.
type echo struct {
	to             *net.IPAddr
	request, reply byte
	id             uint16
	data           []byte
	buf            []byte
}

func newEcho(to netip.Addr) *echo {
	e := &echo{
		to:      &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()},
		request: echoRequest4, reply: echoReply4,
		data: make([]byte, echoData),
		buf:  make([]byte, 2048),
	}
	if to.Is6() {
		e.request, e.reply = echoRequest6, echoReply6
	}
	_, _ = rand.Read(e.data) // never fails (crypto/rand)
	e.id = binary.BigEndian.Uint16(e.data)
	return e
}

// message builds a request. The kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1).
func (e *echo) message(seq uint16) []byte {
	b := make([]byte, echoHeader, echoHeader+len(e.data))
	b[0] = e.request
	binary.BigEndian.PutUint16(b[4:], e.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	b = append(b, e.data...)
	if e.request == echoRequest4 {
		binary.BigEndian.PutUint16(b[2:], ^encap.Checksum(b, 0))
	}
	return b
}

// isReply tells whether b answers the request with this number, with the data that was sent.
func (e *echo) isReply(b []byte, seq uint16) bool {
	return len(b) >= echoHeader && b[0] == e.reply && b[1] == 0 &&
		binary.BigEndian.Uint16(b[4:]) == e.id && binary.BigEndian.Uint16(b[6:]) == seq &&
		bytes.Equal(b[echoHeader:], e.data)
}

// warmUp sends requests until one is answered; they do not count.
func (e *echo) warmUp(ctx context.Context, conn *net.IPConn) error {
	var err error
	for seq := range echoWarmUps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err = e.exchange(conn, ^uint16(seq), echoWarmUp); err == nil {
			return nil
		}
		if !errors.Is(err, errNoReply) {
			time.Sleep(echoWarmUp) // no route yet, say
		}
	}
	return err
}

// exchange sends one request and waits for its reply.
func (e *echo) exchange(conn *net.IPConn, seq uint16, wait time.Duration) (time.Duration, error) {
	start := time.Now()
	if err := conn.SetDeadline(start.Add(wait)); err != nil {
		return 0, err
	}
	if _, err := conn.WriteTo(e.message(seq), e.to); err != nil {
		return 0, err
	}
	for {
		n, _, err := conn.ReadFrom(e.buf)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			return 0, errNoReply
		}
		if err != nil {
			return 0, err
		}
		if e.isReply(e.buf[:n], seq) {
			return time.Since(start), nil
		}
	}
}
