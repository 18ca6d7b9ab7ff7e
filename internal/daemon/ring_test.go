package daemon

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
)

// TestRing compares the ring with a plain list, whatever the sizes are, and watches its bounds.
func TestRing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 100, 2000, 70_000} {
		var r ring
		var want []int
		bytes := 0
		for i := range 3000 {
			n := rng.IntN(most)
			r.add(heard{at: time.Unix(int64(i), 0), payload: make([]byte, n)})
			want = append(want, n)
			bytes += n + heardBytes
			for len(want) > ringMessages || bytes > ringBytes {
				bytes -= want[0] + heardBytes
				want = want[1:]
			}
			if r.n != len(want) || r.bytes != bytes || r.n > len(r.all) || len(r.all) > ringMessages {
				t.Fatalf("%d: %d messages of %d bytes in %d, want %d of %d", i, r.n, r.bytes, len(r.all), len(want), bytes)
			}
		}
		for i, h := range r.list() {
			if len(h.payload) != want[i] || h.at.Unix() != int64(3000-len(want)+i) {
				t.Fatalf("up to %d: message %d has %d bytes of %v, want %d", most, i, len(h.payload), h.at, want[i])
			}
		}
	}
	var r ring
	r.add(heard{})
	if len(r.all) > 4 {
		t.Errorf("one message takes room for %d", len(r.all))
	}
}

// messagesOf asks a daemon for the control messages of a tunnel.
func messagesOf(t *testing.T, socket, tunnel string) []mgmt.Message {
	t.Helper()
	all, err := client.New(socket).Messages(context.Background(), tunnel)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// types are the messages in words: > sent, < received.
func types(all []mgmt.Message) string {
	var b strings.Builder
	for _, m := range all {
		way := "<"
		if m.Direction == "sent" {
			way = ">"
		}
		if m.Type != "ACK" && m.Type != "HELLO" {
			b.WriteString(way + m.Type + " ")
		}
	}
	return b.String()
}

// TestMessages: both ends show the whole conversation, from the SCCRQ on, with hidden AVPs deciphered; and what did not
// pass the digest appears among the drops only.
func TestMessages(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	local, peer := fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0])
	lns := run(t, answering(nsA, `"the secret"`, port[0]))
	bad := run(t, dialing(nsB, "udp", local, peer, "another secret", 0))
	eventually(t, "wrong digests", func() bool { return lns.drops(t)["control_digest"] > 1 })
	if got := types(messagesOf(t, bad.socket, "up")); !strings.HasPrefix(got, ">SCCRQ >SCCRQ ") {
		t.Errorf("dialer that nobody answers: %s", got)
	}
	if err := bad.stop(); err != nil {
		t.Fatal(err)
	}
	a := run(t, dialing(nsB, "udp", local, peer, "the secret", 0))
	allUp(t, lns.socket, 3)
	name := tunnelsOf(t, lns.socket)[0].Name
	here, there := messagesOf(t, a.socket, "up"), messagesOf(t, lns.socket, name)
	if got := types(there); !strings.HasPrefix(got, "<SCCRQ >SCCRP <SCCCN <ICRQ ") || strings.Count(got, "<ICCN") != 3 {
		t.Errorf("responder: %s", got)
	}
	if got := types(here); !strings.HasPrefix(got, ">SCCRQ ") || strings.Count(got, ">ICRQ") < 3 {
		t.Errorf("initiator: %s", got)
	}
	for _, list := range [][]mgmt.Message{here, there} {
		i := slices.IndexFunc(list, func(m mgmt.Message) bool { return m.Type == "ICRQ" })
		avp := func(name string) mgmt.AVP {
			j := slices.IndexFunc(list[i].AVPs, func(a mgmt.AVP) bool { return a.Name == name })
			return list[i].AVPs[max(j, 0)]
		}
		if e := avp("Remote End ID"); !e.Hidden || e.Value != "sub_0" {
			t.Errorf("ICRQ: %+v", list[i])
		}
		if c := avp("Assigned Cookie"); !c.Hidden || len(c.Value) != 16 && len(c.Value) != 8 {
			t.Errorf("ICRQ: %+v", list[i])
		}
		if list[i].LocalSession == 0 || list[i].Peer == "" || list[i].Problem != "" {
			t.Errorf("ICRQ: %+v", list[i])
		}
		if strings.Contains(fmt.Sprint(list), "the secret") {
			t.Error("a secret is shown")
		}
	}
}

// drops are all counters that are not 0.
func (i *instance) drops(t *testing.T) map[string]uint64 {
	t.Helper()
	all, err := client.New(i.socket).Drops(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]uint64)
	for _, d := range all {
		if m[d.Reason] = d.Count; d.Help == "" {
			t.Errorf("%s has no help", d.Reason)
		}
	}
	return m
}
