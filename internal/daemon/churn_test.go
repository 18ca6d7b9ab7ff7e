package daemon

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/testenv"
)

// churnEnv is for measurements: how long sessions come and go, where not for a short time.
const churnEnv = "CULVERT_TEST_CHURN"

// churn has so many sessions come, and as many go, every churnStep: 500 a second.
const (
	churnStep = 20 * time.Millisecond
	churn     = 10
)

// TestCrowdChurn: among sessions with traffic others come and go, on a shared device and with a device each. No packet
// goes to another session than its own, and in the end there is nothing left: no device, route, descriptor or memory.
func TestCrowdChurn(t *testing.T) {
	for _, tt := range []struct {
		name  string
		named bool
		base  int
	}{{"shared", false, 1000}, {"named", true, 300}} {
		t.Run(tt.name, func(t *testing.T) {
			took := 2 * time.Second
			if text := os.Getenv(churnEnv); text != "" {
				var err error
				if took, err = time.ParseDuration(text); err != nil {
					t.Fatal(err)
				}
			}
			runChurn(t, tt.named, tt.base, took)
		})
	}
}

func runChurn(t *testing.T, named bool, base int, took time.Duration) {
	t.Helper()
	ns, port := newNS(t), freePorts(t, 1)[0]
	if named { // else it is the shared device's
		ip(t, "-n", ns, "link", "set", "lo", "up")
		ip(t, "-n", ns, "addr", "add", "10.0.0.1/32", "dev", "lo")
	}
	pid, socket := crowdServer(t, ns, port, base, named)
	c := newCrowd(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)), "long enough")
	before := links(t, ns)
	limit := time.Minute + 2*took
	c.ask(base)
	c.until(limit, "all open", func() bool { return c.opened == base })
	files := openFiles(t, pid)
	talk := echoAt(t, ns)
	sent, answered := 0, 0
	c.data = func(m *member, ip []byte) {
		if len(ip) != 36 || netip.AddrFrom4([4]byte(ip[16:20])) != m.local || !bytes.Equal(ip[28:], m.payload()) {
			t.Errorf("member %d, %v, got % x", m.n, m.local, ip)
		}
		answered++
	}
	var memory []int
	began := time.Now()
	next, sample := began, began.Add(took/4)
	c.until(limit, "churn", func() bool {
		now := time.Now()
		if now.Before(next) {
			return false
		}
		next = next.Add(churnStep)
		if now.After(sample) {
			sample = sample.Add(took / 4)
			memory = append(memory, status(t, pid, "VmRSS")>>10)
		}
		sent += c.turnOver(base, now)
		return now.Sub(began) > took
	})
	rate := float64(c.asked-base) / time.Since(began).Seconds()
	c.until(limit, "the last answers", func() bool { return c.opened == len(c.byID) && time.Since(began) > took+time.Second/5 })
	t.Logf("%.0f sessions a second came and went beside %d, %d datagrams, %d answers; KB of process memory meanwhile: %v",
		rate, base, sent, answered, memory)
	if talk.wrong.Load() > 0 || answered < sent*9/10 || c.asked < base+2*churn {
		t.Errorf("%d answers, %d datagrams were wrong, the first: %v", answered, talk.wrong.Load(), talk.first.Load())
	}
	// In a short time the heap has not grown to its size yet. TestCrowdRounds is stricter.
	if last := len(memory) - 1; !testenv.RaceEnabled && memory[last] > memory[0]*2 {
		t.Errorf("memory grows: %v", memory)
	}
	if got := openFiles(t, pid); got > files+churn*10 {
		t.Errorf("%d descriptors, %d before", got, files)
	}
	c.hangUpAll(t, socket, limit)
	if left := links(t, ns); named && !sameNames(left, before) {
		t.Errorf("left: %v", left)
	}
	if got := openFiles(t, pid); got > files-base+50 && named {
		t.Errorf("%d descriptors when all are gone, %d with %d sessions", got, files, base)
	}
}

// turnOver ends the oldest sessions, asks for as many new ones while not too many are being set up, and has some of the
// others send a datagram. It gives how many did.
func (c *crowd) turnOver(base int, now time.Time) (sent int) {
	all := c.members()
	if len(all) >= base-10*churn {
		for _, m := range all[:churn] {
			c.hangUp(m, now)
		}
		all = all[churn:]
		c.ask(churn)
	}
	for range 40 {
		m := all[churn*10+rand.IntN(len(all)-churn*10)] // none that ends before the answer comes
		if m.local.IsValid() {
			c.send(m, pppDatagram(m.local, netip.AddrFrom4([4]byte{10, 0, 0, 1}), m.payload()))
			sent++
		}
	}
	return sent
}

// hangUpAll ends all sessions and waits until the server has none.
func (c *crowd) hangUpAll(t *testing.T, socket string, limit time.Duration) {
	t.Helper()
	now := time.Now()
	for _, m := range c.members() {
		c.hangUp(m, now)
	}
	c.until(limit, "ends", func() bool {
		all, err := client.New(socket).Tunnels(context.Background())
		return err == nil && len(all) == 1 && all[0].Sessions == 0
	})
}

// openFiles counts those of a process.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
