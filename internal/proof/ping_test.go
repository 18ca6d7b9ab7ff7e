package proof

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

// target is an address behind a device.
type target struct {
	device string
	to     netip.Addr
}

// echoer sends echo requests (RFC 792 page 14, RFC 4443 section 4.1) through one device and takes their replies.
type echoer struct {
	target
	conn           net.PacketConn
	addr           *net.IPAddr
	request, reply byte
	buf            []byte
}

func (n *node) echoer(g target) (*echoer, error) {
	e := &echoer{target: g, addr: &net.IPAddr{IP: g.to.AsSlice()}, request: 8, reply: 0, buf: make([]byte, 2048)}
	network := "ip4:1"
	if g.to.Is6() {
		network, e.request, e.reply = "ip6:58", 128, 129
	}
	index, ok := n.ns.Index(g.device)
	if !ok {
		return nil, fmt.Errorf("no device %s", g.device)
	}
	if g.to.Is6() && g.to.IsLinkLocalUnicast() {
		e.addr.Zone = fmt.Sprint(index) // names mean other devices outside the namespace
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), g.device) }), err)
	}}
	err := n.ns.Do(func() (err error) { e.conn, err = lc.ListenPacket(context.Background(), network, ""); return err })
	return e, err
}

// send sends one request. Its data names the device, so that no other's reply is taken for it.
func (e *echoer) send(id, seq uint16) error {
	b := []byte{e.request, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, e.device...)
	if e.request == 8 { // the kernel sums ICMPv6 (RFC 3542 section 3.1)
		binary.BigEndian.PutUint16(b[2:], ^encap.Checksum(b, 0))
	}
	_, err := e.conn.WriteTo(b, e.addr)
	return err
}

// receive waits for a reply to the requests with this id and returns its number.
func (e *echoer) receive(id uint16, until time.Time) (seq uint16, err error) {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	for {
		n, _, err := e.conn.ReadFrom(e.buf)
		if err != nil {
			return 0, err
		}
		if b := e.buf[:n]; n >= 8 && b[0] == e.reply && binary.BigEndian.Uint16(b[4:]) == id && bytes.Equal(b[8:], []byte(e.device)) {
			return binary.BigEndian.Uint16(b[6:]), nil
		}
	}
}

// echo gets replies to count requests, one after the other; what is lost is asked again until the time is up.
func (e *echoer) echo(count int) error {
	id := uint16(os.Getpid())
	end := time.Now().Add(patience / 3)
	for seq := 0; seq < count; {
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d replies through %s", seq, count, e.device)
		}
		if err := e.send(id, uint16(seq)); err != nil {
			time.Sleep(50 * time.Millisecond) // no route yet, say
			continue
		}
		if got, err := e.receive(id, time.Now().Add(500*time.Millisecond)); err == nil && int(got) == seq {
			seq++
		}
	}
	return nil
}

// pingAll sends count echo requests through each device and waits for all replies.
func (n *node) pingAll(t *testing.T, targets []target, count int) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(targets))
	for i, g := range targets {
		wg.Go(func() {
			e, err := n.echoer(g)
			if err == nil {
				err = e.echo(count)
				_ = e.conn.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if failed := slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(failed) > 0 {
		t.Fatalf("%s: %d of %d failed, the first one: %v", n.name, len(failed), len(targets), failed[0])
	}
}
