package pppfsm

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// TestMemoryWithAuth measures what an established link costs when both ends
// have proven themselves with the method that keeps most.
func TestMemoryWithAuth(t *testing.T) {
	const n = 2000
	ca, cb := ends()
	ca.Auth = duelAuth(0, []AuthMethod{AuthMSCHAPv2}, []AuthMethod{AuthMSCHAPv2}, true)
	cb.Auth = duelAuth(1, []AuthMethod{AuthMSCHAPv2}, []AuthMethod{AuthMSCHAPv2}, true)
	rnd := rand.NewChaCha8([32]byte{1})
	keep := make([][2]*Link, n/2)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range keep {
		keep[i] = [2]*Link{NewLink(ca, rnd), NewLink(cb, rnd)}
		connectAuth(t, keep[i])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes of heap a link; auth %d of them", per, unsafe.Sizeof(auth{}))
	if per > maxLinkBytes {
		t.Errorf("%.0f bytes a link, budget %d", per, maxLinkBytes)
	}
	runtime.KeepAlive(keep)
}

// connect brings two links up that authenticate each other.
func connectAuth(t *testing.T, links [2]*Link) {
	t.Helper()
	for _, l := range links {
		l.Open(epoch)
		l.Up(epoch)
	}
	for busy := true; busy; {
		busy = false
		for i, l := range links {
			for _, a := range l.Take() {
				switch a := a.(type) {
				case SendFrame:
					busy = true
					links[1-i].Input(epoch, a.Frame)
				case AuthRequest:
					busy = true
					l.AuthResult(epoch, a.ID, judged(a, duelNames[1-i], duelSecrets[1-i]))
				}
			}
		}
	}
	if links[0].Status().PeerAuth != AuthMSCHAPv2 || links[1].ipv6cp.state != Opened {
		t.Fatal("not up")
	}
}
