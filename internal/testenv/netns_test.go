package testenv

import (
	"net"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	OwnNetNS()
	os.Exit(m.Run())
}

// TestOwnNetNS: all threads are in a namespace that has the loopback interface alone, up.
func TestOwnNetNS(t *testing.T) {
	RequireNetns(t)
	for range 8 { // goroutines on several threads
		done := make(chan error)
		go func() {
			ifs, err := net.Interfaces()
			if err == nil && (len(ifs) != 1 || ifs[0].Name != "lo" || ifs[0].Flags&net.FlagUp == 0) {
				t.Errorf("interfaces %v", ifs)
			}
			done <- err
		}()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
