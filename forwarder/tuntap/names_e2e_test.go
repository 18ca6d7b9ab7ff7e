//go:build e2e

package tuntap

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestE2ENames makes more devices than the kernel has names of its own choice (32,768 of each kind), and than the
// process may have open files: each once, under the name that it keeps.
func TestE2ENames(t *testing.T) {
	const n, batch = 33_000, 1000
	ns, nl := newNetNS(t)
	var tables []*tableThread
	var all []*Device
	began := time.Now()
	for len(all) < n {
		configs := make([]Config, batch)
		for i := range configs {
			configs[i] = Config{Name: fmt.Sprint("lns", len(all)+i), Kind: TUN, TxQueueLen: 16, Group: testGroup, NetNS: ns}
		}
		devices, errs := CreateAll(configs)
		must(t, errors.Join(errs...))
		all = append(all, devices...)
		if len(tables) == 0 || tables[len(tables)-1].Room() < batch {
			tables = append(tables, newTableThread(t))
		}
		queues := make([]*Queue, batch)
		for i, d := range devices {
			queues[i] = d.Queue()
		}
		must(t, errors.Join(tables[len(tables)-1].Adopt(queues)...))
	}
	made := time.Since(began)
	links, err := nl.LinkList()
	must(t, err)
	if len(links) != n+1 { // and lo
		t.Errorf("%d links", len(links))
	}
	for _, name := range []string{"lns0", "lns32767", "lns32768", fmt.Sprint("lns", n-1)} {
		if link(t, nl, name) == nil {
			t.Errorf("no %s", name)
		}
	}
	must(t, all[n-1].SetUp(true))
	began = time.Now()
	must(t, CloseAll(all))
	if left, err := nl.LinkList(); err != nil || len(left) != 1 {
		t.Errorf("%d links are left, %v", len(left), err)
	}
	t.Logf("%d devices in %v (%.0f a second), in %d descriptor tables beside the process', removed in %v", n, made.Round(time.Millisecond),
		n/made.Seconds(), len(tables), time.Since(began).Round(time.Millisecond))
}
