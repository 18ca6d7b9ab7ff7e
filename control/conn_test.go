package control

import (
	"testing"
	"time"
)

// mirrored says that what one end sends is what the other expects.
func mirrored(a, b DataParams) bool {
	return a.Local == b.Remote && a.Remote == b.Local && a.PseudowireType == b.PseudowireType &&
		a.LocalSequencing == b.RemoteSequencing && a.RemoteSequencing == b.LocalSequencing
}

func TestConversation(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(a, b *Profile)
		ack    MessageType
	}{
		{"plain", func(_, _ *Profile) {}, ZLB},
		{"ack messages", func(a, b *Profile) { a.Ack, b.Ack = AckMessage, AckMessage }, ACK},
		{"integrity", func(a, _ *Profile) { a.Digest = DigestModeMD5 }, ACK},
		{"MD5", func(a, b *Profile) { a.Secrets, b.Secrets = secrets("s"), secrets("s") }, ACK},
		{"SHA-1 asked for", func(a, b *Profile) { a.Secrets, b.Secrets, a.Digest = secrets("s"), secrets("s"), DigestModeSHA1 }, ACK},
		{"SHA-1 one way", func(a, b *Profile) { a.Secrets, b.Secrets, b.Digest = secrets("s"), secrets("s"), DigestModeSHA1 }, ACK},
		{"hidden", func(a, b *Profile) {
			a.Secrets, b.Secrets, a.HideAVPs, b.HideAVPs = secrets("s"), secrets("s"), true, true
		}, ACK},
		{"a has two secrets", func(a, b *Profile) { a.Secrets, b.Secrets, a.HideAVPs = secrets("new", "old"), secrets("old"), true }, ACK},
		{"b has two secrets", func(a, b *Profile) { a.Secrets, b.Secrets, b.HideAVPs = secrets("new"), secrets("old", "new"), true }, ACK},
		{"challenge", func(a, b *Profile) {
			a.Secrets, b.Secrets, a.Challenge, b.Challenge, a.Digest = secrets("s"), secrets("s"), true, true, DigestOff
		}, ZLB},
		{"challenge and digest", func(a, b *Profile) {
			a.Secrets, b.Secrets, a.Challenge, b.Challenge = secrets("s"), secrets("s"), true, true
		}, ACK},
		{"digest offered, challenge taken", func(a, b *Profile) {
			a.Secrets, b.Secrets, a.Challenge, b.Challenge, b.Digest = secrets("s"), secrets("s"), true, true, DigestOff
		}, ZLB},
		{"strict", func(a, b *Profile) { a.Strict, b.Strict = true, true }, ZLB},
	} {
		t.Run(c.name, func(t *testing.T) {
			pa, pb := testProfile("a"), testProfile("b")
			c.change(&pa, &pb)
			w, a, b, conn := pair(t, pa, pb)
			b.call = Call{Circuit: CircuitUp, Sublayer: SublayerDefault, Sequencing: SequencingAll, CookieLen: 4}
			s := a.open(t, conn, Call{RemoteEndID: "pw-1", Sequencing: SequencingNonIP, Sublayer: SublayerDefault})
			s2 := a.open(t, conn, Call{RemoteEndID: "pw-2", CookieLen: -1, PseudowireType: PseudowireEthernet})
			if w.run(time.Second, nil); !a.up[s] || !a.up[s2] || len(b.started) != 2 {
				t.Fatalf("a %v %v, b %v", a.log, a.sdowns, b.log)
			}
			if pa, pb := s.Params(), b.started[0].Params(); !mirrored(pa, pb) || pa.Local.Cookie.Len() != 8 || pa.Remote.Cookie.Len() != 4 ||
				pa.LocalSequencing != SequencingNonIP || pa.RemoteSequencing != SequencingAll || pa.PseudowireType != PseudowirePPP {
				t.Errorf("parameters %+v and %+v", pa, pb)
			}
			if pa, pb := s2.Params(), b.started[1].Params(); !mirrored(pa, pb) || pa.Local.Cookie.Len() != 0 {
				t.Errorf("parameters %+v and %+v", pa, pb)
			}
			if b.started[0].RemoteEndID() != "pw-1" || b.sent[c.ack] == 0 || b.sent[ACK+ZLB-c.ack] != 0 {
				t.Errorf("end %q, sent %v", b.started[0].RemoteEndID(), b.sent)
			}
			if st := b.conns[0].Status(); st.Sessions != 2 || st.Peer.HostName != "a" || st.Peer.VendorName != "culvert" && c.name == "plain" ||
				st.Peer.Authenticated != (len(pa.Secrets) > 0) || st.Window != defaultWindow || st.InFlight != 0 || st.Path.Remote != a.addr {
				t.Errorf("status %+v", st)
			}
			if st := conn.Status(); st.RTT != 10*time.Millisecond || st.Sender.Retransmissions != 0 {
				t.Errorf("status %+v", st)
			}
			b.started[0].Close(w.now, Result{Code: CallAdministrative, Text: "bye"})
			b.collect()
			w.run(time.Second, nil)
			if len(a.sdowns) != 1 || a.sdowns[0].Session != s || a.sdowns[0].Reason.String() != "peer: administrative reasons: bye" {
				t.Errorf("session ended with %+v", a.sdowns)
			}
			conn.Close(w.now, Result{Code: StopShutdown})
			a.collect()
			w.run(100*time.Second, nil)
			if len(b.downs) != 1 || b.downs[0].Reason.String() != "peer: shutting down" || len(b.downs[0].Sessions) != 1 || len(b.up)+len(a.up) != 0 {
				t.Errorf("connection ended with %+v", b.downs)
			}
			for _, n := range w.nodes {
				if len(n.Endpoint.conns)+len(n.sessions)+len(n.requests)+len(n.dialing)+len(n.peers)+len(n.timers)+n.halfOpen != 0 {
					t.Errorf("%s keeps %d connections, %d sessions, %d half open", n.name, len(n.Endpoint.conns), len(n.sessions), n.halfOpen)
				}
				if n.count.Drops != [numDrops]uint64{} {
					t.Errorf("%s dropped %v", n.name, n.count.Drops)
				}
			}
			w.check(t)
		})
	}
}

func secrets(s ...string) (list [][]byte) {
	for _, x := range s {
		list = append(list, []byte(x))
	}
	return list
}
