package control

import "testing"

// TestDropped: what comes to nothing is counted under one reason each.
func TestDropped(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	hello := AVP{Mandatory: true, Type: AVPMessageType, Value: []byte{0, byte(HELLO)}}.AppendTo(nil)
	message := func(version byte, ccid CCID, ns Seq) []byte {
		b := append(appendHeader(nil, Header{ccid, ns, h.nr}), hello...)
		b[1], b[3] = version, byte(len(b))
		return b
	}
	stop := NewMessage(StopCCN)
	stop.Result = Result{Code: StopGeneral}
	for _, tt := range []struct {
		want Drop
		send func()
	}{
		{DropMalformed, func() { n.Receive(n.w.now, h.path, []byte{0xc8, 3}) }},
		{DropVersion, func() { n.Receive(n.w.now, h.path, message(2, h.remote, h.ns)) }},
		{DropUnknown, func() { n.Receive(n.w.now, h.path, message(3, h.remote+1, h.ns)) }},
		{DropDuplicate, func() { n.Receive(n.w.now, h.path, message(3, h.remote, h.ns-1)) }},
		{DropWindow, func() { n.Receive(n.w.now, h.path, message(3, h.remote, h.ns+1000)) }},
		{DropClosed, func() { h.send(stop); n.Receive(n.w.now, h.path, message(3, h.remote, h.ns)) }},
	} {
		before := n.Counters()
		tt.send()
		after := n.Counters()
		for _, r := range DropReasons() {
			want := before.Drops[r]
			if r == tt.want {
				want++
			}
			if after.Drops[r] != want {
				t.Errorf("%v: %v counted %d times, not %d", tt.want, r, after.Drops[r], want)
			}
		}
		n.collect()
	}
	for _, r := range DropReasons() {
		if r.String() == "" || r.Help() == "" {
			t.Errorf("reason %d has no name or help", r)
		}
	}
	if Drop(numDrops).Help() != "" || Drop(numDrops).String() != "invalid" {
		t.Error("a reason that does not exist")
	}
}
