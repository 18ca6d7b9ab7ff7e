package forwarder

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"culvert/encap"
)

// TestNoDescriptorLeak starts and stops everything a few times.
func TestNoDescriptorLeak(t *testing.T) {
	count := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	once := func() {
		t.Run("", func(t *testing.T) {
			r := newRig(t, 4, nil)
			f := etherFrame(60, 1)
			r.peer.send(r.local, r.packet(f))
			r.wire.expect(f)
		})
	}
	once()
	before := count()
	for range 5 {
		once()
	}
	if after := count(); after > before {
		t.Fatalf("%d descriptors before, %d after", before, after)
	}
}

// TestOrderUnderLoad sends through many sessions at once, as fast as the devices take it: each session's frames must
// come in their order, whatever is lost.
func TestOrderUnderLoad(t *testing.T) {
	a, b := newForwarder(t, 3), newForwarder(t, 3)
	la, lb := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	ta, err := a.AddTunnel(TunnelConfig{Name: "a", Local: la, Peer: lb, TOS: -1, DF: true})
	if err != nil {
		t.Fatal(err)
	}
	tb, err := b.AddTunnel(TunnelConfig{Name: "b", Local: lb, Peer: la, TOS: -1, DF: true})
	if err != nil {
		t.Fatal(err)
	}
	const sessions, frames = 9, 4000
	results := make(chan error, sessions)
	for i := range encap.SessionID(sessions) {
		wa, wb := newWire(t), newWire(t)
		for _, e := range []struct {
			f   *Forwarder
			tun *Tunnel
			cfg SessionConfig
		}{
			{a, ta, SessionConfig{Name: "a", LocalID: 100 + i, PeerID: 200 + i, Device: wa.dev}},
			{b, tb, SessionConfig{Name: "b", LocalID: 200 + i, PeerID: 100 + i, Device: wb.dev}},
		} {
			s, err := e.f.AddSession(e.tun, e.cfg)
			if err != nil {
				t.Fatal(err)
			}
			s.SetLink(LinkState{Ethernet: true})
		}
		go func() {
			f := append(make([]byte, deviceHeader), etherFrame(64, byte(i))...)
			for n := range frames {
				binary.BigEndian.PutUint32(f[deviceHeader+20:], uint32(n))
				_ = wa.host.SetWriteDeadline(time.Now().Add(soon))
				if _, err := wa.host.Write(f); err != nil {
					results <- err
					return
				}
			}
		}()
		go func() { results <- inOrder(wb, frames) }()
	}
	for range sessions {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// inOrder reads numbered frames until the last one, or until nothing comes any more.
func inOrder(w *wire, frames uint32) error {
	b := make([]byte, 2000)
	got, last := uint32(0), int64(-1)
	for last != int64(frames)-1 {
		_ = w.host.SetReadDeadline(time.Now().Add(soon))
		n, err := w.host.Read(b)
		if err != nil {
			break // the last ones were lost
		}
		if n != deviceHeader+64 {
			return fmt.Errorf("frame of %d bytes", n)
		}
		num := int64(binary.BigEndian.Uint32(b[deviceHeader+20:]))
		if num <= last {
			return fmt.Errorf("frame %d came behind %d", num, last)
		}
		got, last = got+1, num
	}
	if got < frames/10 {
		return fmt.Errorf("only %d of %d frames came", got, frames)
	}
	return nil
}

// TestTOSIsCopied reads the outer TOS byte of what the peer gets.
func TestTOSIsCopied(t *testing.T) {
	r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) { c.Pseudowire, tc.CopyTOS = PPP, true })
	raw, err := r.peer.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVTOS, 1) })
	if err != nil {
		t.Fatal(err)
	}
	v6 := ipv6Packet(60, 0)
	v6[0], v6[1] = 0x6b, 0x80 // traffic class 0xb8
	v4 := ipv4Packet(60, true, 0)
	v4[1] = 0x2b // ECN bits stay inside
	for _, tt := range []struct {
		inner []byte
		want  byte
	}{{v4, 0x28}, {v6, 0xb8}, {ipv4Packet(60, true, 0), 0}} {
		r.wire.put(tt.inner)
		oob := make([]byte, 64)
		_ = r.peer.conn.SetReadDeadline(time.Now().Add(soon))
		_, n, _, _, err := r.peer.conn.ReadMsgUDP(make([]byte, 2000), oob)
		if err != nil {
			t.Fatal(err)
		}
		msgs, err := syscall.ParseSocketControlMessage(oob[:n])
		if err != nil || len(msgs) != 1 || len(msgs[0].Data) != 1 || msgs[0].Data[0] != tt.want {
			t.Fatalf("control messages %+v, error %v, want TOS %#x", msgs, err, tt.want)
		}
	}
}
