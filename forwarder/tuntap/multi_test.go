package tuntap

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCreateMulti: a device with queues, each a file with virtio headers, which goes with Close; and what is refused.
func TestCreateMulti(t *testing.T) {
	ns, h := newNetNS(t)
	c := Config{Name: "many0", Kind: TUN, MTU: 1400, Group: testGroup, NetNS: ns}
	d, queues, err := CreateMulti(c, 3)
	must(t, err)
	defer func() { _ = d.Close() }()
	if a := link(t, h, "many0").Attrs(); a.MTU != 1400 || a.Group != testGroup || a.NumTxQueues < 3 || len(queues) != 3 || queues[0] != d.Queue() {
		t.Errorf("link %+v, %d queues", a, len(queues))
	}
	for i, q := range queues {
		if n, err := unix.IoctlGetInt(q.FD(), unix.TUNGETVNETHDRSZ); err != nil || n != HeaderLen {
			t.Errorf("queue %d: header size %d, %v", i, n, err)
		}
		if _, err := q.Read(make([]byte, 2000)); err == nil {
			t.Errorf("queue %d has something to read", i)
		}
	}
	_, _, err = CreateMulti(c, 2)
	wantErr(t, err, ErrExists)
	_, err = Create(c)
	wantErr(t, err, ErrExists)
	for _, n := range []int{0, 257} {
		_, _, err = CreateMulti(Config{Name: "many1", NetNS: ns}, n)
		wantErr(t, err, ErrConfig)
	}
	must(t, d.Close())
	if link(t, h, "many0") != nil {
		t.Error("still there after Close")
	}
	for _, q := range queues {
		if q.FD() >= 0 {
			t.Error("a queue is open")
		}
	}
}
