package control_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"culvert/control"
	"culvert/encap"
)

// policy accepts everybody who asks.
type policy struct{ profile control.Profile }

func (policy) Known(netip.Addr) bool { return true }

func (p policy) AcceptConnection(control.Path, *control.Message) (control.Profile, *control.Result) {
	return p.profile, nil
}

func (policy) AcceptCall(*control.Conn, *control.Message) (control.Call, *control.Result) {
	return control.Call{Circuit: control.CircuitUp}, nil
}

// Two ends without a network: what one sends is given to the other.
func ExampleEndpoint() {
	secret := [][]byte{[]byte("shared secret")}
	lac := control.Profile{HostName: "lac", Secrets: secret, HideAVPs: true}
	lns := control.Profile{HostName: "lns", Secrets: secret, HideAVPs: true}
	addr := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1701"), netip.MustParseAddrPort("192.0.2.2:1701")}
	random := func(b byte) *bytes.Reader { // use crypto/rand.Reader
		seed := make([]byte, 4096)
		for i := range seed {
			seed[i] = b ^ byte(i*i>>3)
		}
		return bytes.NewReader(seed)
	}
	ends := []*control.Endpoint{
		control.NewEndpoint(control.Config{}, policy{lac}, random(1)),
		control.NewEndpoint(control.Config{}, policy{lns}, random(2)),
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	conn, err := ends[0].Dial(now, control.Path{Transport: encap.TransportUDP, Local: addr[0], Remote: addr[1]}, lac)
	if err != nil {
		fmt.Println(err)
		return
	}
	call := control.Call{PseudowireType: control.PseudowirePPP, RemoteEndID: "subscriber 7", Circuit: control.CircuitUp}
	if _, err := conn.Open(now, call); err != nil {
		fmt.Println(err)
		return
	}
	for idle := 0; idle < len(ends); {
		for i, e := range ends {
			actions := e.Take()
			if idle++; len(actions) > 0 {
				idle = 0
			}
			for _, a := range actions {
				switch a := a.(type) {
				case control.Send:
					there := control.Path{Transport: a.Path.Transport, Local: a.Path.Remote, Remote: a.Path.Local}
					ends[1-i].Receive(now, there, a.Payload)
				case control.ConnUp:
					fmt.Printf("%d: connected with %s\n", i, a.Conn.Peer().HostName)
				case control.SessionUp:
					p := a.Session.Params()
					fmt.Printf("%d: %q up, %v, expects %v\n", i, a.Session.RemoteEndID(), p.PseudowireType, p.Local.Cookie)
				}
			}
		}
	}
	// Output:
	// 0: connected with lns
	// 1: connected with lac
	// 0: "subscriber 7" up, PPP, expects cookie(8)
	// 1: "subscriber 7" up, PPP, expects cookie(8)
}
