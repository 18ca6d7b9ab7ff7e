package control

import (
	"testing"
	"time"
)

// TestAcknowledgements: a ZLB and the ACK message are both taken and use no number up; where digests authenticate, only
// what is signed is (RFC 3931 section 6.15), whatever AckMode says.
func TestAcknowledgements(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string
		typ     MessageType
		signed  bool
		drop    Drop
	}{
		{"ZLB", nil, ZLB, false, dropNothing},
		{"ACK", nil, ACK, false, dropNothing},
		{"ZLB where digests are", []string{"s"}, ZLB, false, DropDigest},
		{"ACK without its digest", []string{"s"}, ACK, false, DropDigest},
		{"ACK with its digest", []string{"s"}, ACK, true, dropNothing},
	} {
		pa, pb := testProfile("a", c.secrets...), testProfile("b", c.secrets...)
		pa.Ack, pb.Ack = AckZLB, AckZLB
		w, a, b, conn := pair(t, pa, pb)
		peer := b.conns[0]
		w.filter = func(*node, MessageType, []byte) []byte { return nil } // from here on only what the test says arrives
		a.open(t, conn, Call{RemoteEndID: "x"})
		if conn.Status().InFlight != 1 {
			t.Fatalf("%s: %+v", c.name, conn.Status())
		}
		before, received := conn.Status(), a.count.Drops[DropDigest]
		m := Message{Type: c.typ}
		enc, signers := Encoder{}, []*Keys(nil)
		if c.signed {
			enc.Digests, signers = []DigestType{peer.digestType}, []*Keys{&peer.keys[0]}
		}
		for range 3 {
			raw := enc.Append(nil, Header{conn.local, peer.send.next, conn.send.next}, &m)
			sign(raw, signers, nonces{sender: peer.nonce, receiver: peer.peerNonce})
			a.Receive(w.now, a.path(b), raw)
		}
		a.collect()
		after := conn.Status()
		taken := after.InFlight == 0 && after.Received == before.Received+3
		if dropped := a.count.Drops[DropDigest] - received; taken != (c.drop == dropNothing) || (dropped == 3) != (c.drop == DropDigest) {
			t.Errorf("%s: %+v, %d dropped", c.name, after, dropped)
		}
		if after.Nr != before.Nr {
			t.Errorf("%s: Nr %d after %d", c.name, after.Nr, before.Nr)
		}
	}
	// what we send ourselves: AckZLB has no say where digests are
	p := testProfile("a", "s")
	p.Ack = AckZLB
	w, a, b, conn := pair(t, p, p)
	a.open(t, conn, Call{RemoteEndID: "x"})
	if w.run(time.Second, nil); len(b.up) != 1 || a.sent[ZLB]+b.sent[ZLB] != 0 || b.sent[ACK] == 0 {
		t.Errorf("sent %v and %v", a.sent, b.sent)
	}
}
