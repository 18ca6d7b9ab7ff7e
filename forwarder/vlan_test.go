package forwarder

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"culvert/encap"
)

// naivePush and naivePop are the same as pushTag and popTag, byte by byte.
func naivePush(frame []byte, tpid, tci uint16) []byte {
	tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), tci)
	return slices.Concat(frame[:12], tag, frame[12:])
}

func naivePop(frame []byte) (rest []byte, ok bool) {
	if len(frame) < 18 || !slices.Contains([]string{"\x81\x00", "\x88\xa8"}, string(frame[12:14])) {
		return nil, false
	}
	return slices.Concat(frame[:12], frame[16:]), true
}

func asVLAN(vlan uint16) func(*TunnelConfig, *SessionConfig) {
	return func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire, c.VLAN = EthernetVLAN, vlan }
}

// TestTags: tags are pushed and popped, whatever arrives in them, or kept; and what has none is dropped.
func TestTags(t *testing.T) {
	for _, vlan := range []uint16{0, 1, 4094} {
		r := newRig(t, 1, asVLAN(vlan))
		head := r.tun.header(r.cfg).AppendTo(nil)
		for n := 14; n < 80; n++ {
			frame := etherFrame(n, byte(n))
			for _, other := range [][2]uint16{{0x8100, 7}, {0x88a8, 0xffff}, {0x8100, 0}} {
				in := naivePush(frame, other[0], other[1])
				device, sent := in, in
				if vlan != 0 {
					device, sent = frame, naivePush(frame, 0x8100, vlan)
				}
				r.wire.put(device)
				if got, want := r.peer.recv(soon), slices.Concat(head, sent); !bytes.Equal(got, want) {
					t.Fatalf("VLAN %d, sent\n% x, want\n% x", vlan, got, want)
				}
				r.peer.send(r.local, r.packet(in))
				r.wire.expect(device)
			}
		}
		cut := naivePush(etherFrame(14, 1), 0x8100, 7)[:17]
		dropped := uint64(2)
		r.peer.send(r.local, r.packet(etherFrame(60, 1)))
		r.peer.send(r.local, r.packet(cut))
		if vlan == 0 {
			r.wire.put(etherFrame(60, 1))
			r.wire.put(cut)
			dropped = 4
		}
		r.dropped(DropUntagged, dropped)
	}
}

// TestTagsStack: what is tagged on the device gets another tag in front.
func TestTagsStack(t *testing.T) {
	r := newRig(t, 1, asVLAN(5))
	frame := ethernet(0x0800, 1, ipv4Packet(60, true, 1))
	r.wire.put(frame)
	if got := r.peer.recv(soon); !bytes.HasSuffix(got, naivePush(frame, 0x8100, 5)) {
		t.Fatalf("sent % x", got)
	}
	r.peer.send(r.local, r.packet(naivePush(frame, 0x8100, 9)))
	r.wire.expect(frame)
}

// TestTagsTooBig: a sender whose frame does not fit with its tag is told so without one, by what its frame said.
func TestTagsTooBig(t *testing.T) {
	r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) {
		tc.PathMTU, tc.Overhead = 1040, 40
		asVLAN(5)(tc, c)
	})
	room := roomIn(r) - encap.VLANTagLen
	if got := r.tun.MTU(r.cfg); got != room {
		t.Errorf("MTU %d, want %d", got, room)
	}
	r.wire.put(ethernet(0x0800, 0, ipv4Packet(room, true, 1)))
	if r.peer.recv(soon) == nil {
		t.Fatal("a frame that fits did not leave")
	}
	for _, frame := range [][]byte{
		append(make([]byte, deviceHeader), ethernet(0x0800, 0, ipv4Packet(room+1, true, 1))...),
		toEthernet(tcpSuper(4000, room, 1, 1), 0), // each segment is 40 bytes too long
	} {
		if _, err := r.wire.host.Write(frame); err != nil {
			t.Fatal(err)
		}
		answer := r.wire.get(soon)
		if len(answer) < 14+28 || !bytes.Equal(answer[:14], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}) {
			t.Fatalf("answer % x", answer)
		}
		if m := encap.IPv4(answer[14:]).Payload(); m[0] != 3 || m[1] != 4 || int(binary.BigEndian.Uint16(m[6:])) != room {
			t.Fatalf("ICMP % x, want MTU %d", m[:8], room)
		}
	}
	// What nobody can be told about leaves in fragments, tag and all.
	other := etherFrame(1200, 7)
	r.wire.put(other)
	if got := r.peer.recv(soon); !bytes.HasSuffix(got, naivePush(other, 0x8100, 5)) {
		t.Fatal("a frame that is not IP was not sent in fragments")
	}
}

// TestTagsClamp: the MSS is found behind the tag.
func TestTagsClamp(t *testing.T) {
	for _, vlan := range []uint16{0, 5} {
		r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) {
			asVLAN(vlan)(tc, c)
			c.ClampMSS = true
		})
		r.s.SetMTU(1300)
		device := ethernet(0x0800, 0, synPacket(1460))
		tagged := naivePush(device, 0x8100, 5)
		if vlan == 0 {
			device = tagged
		}
		r.wire.put(device)
		r.peer.send(r.local, r.packet(tagged))
		for _, got := range [][]byte{r.peer.recv(soon), r.wire.get(soon)} {
			if len(got) < 44 || mssOf(got[len(got)-44:]) != 1260 {
				t.Errorf("VLAN %d: % x", vlan, got)
			}
		}
	}
}

// FuzzTags gives a VLAN pseudowire any frame from the peer: it is delivered without its tag, or with it, or dropped.
func FuzzTags(f *testing.F) {
	frame := ethernet(0x0800, 0, synPacket(1460))
	for n := range frame {
		f.Add(frame[:n], true)
	}
	for _, tpid := range []uint16{0x8100, 0x88a8, 0x9100} {
		f.Add(naivePush(frame, tpid, 7), true)
		f.Add(naivePush(naivePush(frame, tpid, 7), tpid, 8), false)
	}
	type end struct {
		r   *rig
		dev *recorder
	}
	ends := map[bool]end{}
	for _, served := range []bool{true, false} {
		vlan := uint16(0)
		if served {
			vlan = 5
		}
		e := end{newRig(f, 1, asVLAN(vlan)), &recorder{}}
		e.r.f.workers[0].in.call(func() { e.r.s.dev = e.dev })
		ends[served] = e
	}
	f.Fuzz(func(t *testing.T, frame []byte, served bool) {
		e := ends[served]
		p := e.r.packet(frame)
		_, _, before := e.r.s.Stats()
		writes := e.dev.writes
		in := e.r.f.workers[0].in
		in.call(func() {
			buf := append(make([]byte, rxHeadroom), p...)
			in.packet(e.r.tun.l, buf[rxHeadroom:], buf, e.r.tun.peer)
			in.flush()
		})
		_, _, after := e.r.s.Stats()
		want, ok := naivePop(frame)
		if !served {
			want = frame
		}
		delivered, dropped := e.dev.writes-writes, after.Total()-before.Total()
		switch {
		case !ok && (delivered != 0 || dropped != 1), ok && (delivered != 1 || dropped != 0):
			t.Fatalf("delivered %d, dropped %d, tagged %v", delivered, dropped, ok)
		case ok && !bytes.Equal(e.dev.frame, want):
			t.Fatalf("delivered\n% x, want\n% x", e.dev.frame, want)
		}
		if len(frame) < encap.EthernetLen {
			return
		}
		buf := slices.Concat(make([]byte, encap.VLANTagLen), frame)
		front := pushTag(buf, encap.VLANTagLen, 5)
		if got := buf[front:]; !bytes.Equal(got, naivePush(frame, 0x8100, 5)) {
			t.Fatalf("pushed\n% x", got)
		}
		if front = popTag(buf, front); !bytes.Equal(buf[front:], frame) {
			t.Fatalf("popped\n% x", buf[front:])
		}
	})
}

// TestPseudowireNames: they are the configuration's words.
func TestPseudowireNames(t *testing.T) {
	if got := fmt.Sprint(Ethernet, PPP, EthernetVLAN); got != "eth ppp eth-vlan" {
		t.Error(got)
	}
}
