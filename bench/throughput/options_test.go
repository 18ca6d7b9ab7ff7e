package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"culvert/internal/config"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions(nil)
	if err != nil || o.rounds != 5 || len(o.loads) != len(allLoads()) || len(o.comparators) != len(allComparators()) {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = parseOptions([]string{"-quick", "-rounds", "2", "-loads", "imix,tcp1", "-comparators", "veth"})
	if err != nil || o.rounds != 2 || o.bulk != time.Second || len(o.loads) != 2 || o.loads[0].name != "tcp1" || len(o.comparators) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = parseOptions([]string{"-against", "/x"})
	if err != nil || len(o.comparators) != len(allComparators())+1 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{
		{"-loads", "tcp9"}, {"-loads", ""}, {"-comparators", "vxlan,vxlan,x"}, {"-rounds", "0"}, {"-mtu", "1500"}, {"-bulk", "1ms"}, {"more"},
	} {
		if _, err := parseOptions(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestCulvertConfigs: culvert takes what we write for it, and the ends match.
func TestCulvertConfigs(t *testing.T) {
	l := &lab{mtu: 1400, ends: [2]*end{
		{under: netip.MustParseAddr("192.0.2.1"), number: 1}, {under: netip.MustParseAddr("192.0.2.2"), number: 2},
	}}
	for i, s := range []session{
		{transport: "udp", pseudowire: "ppp"},
		{transport: "udp", pseudowire: "eth"},
		{transport: "ip", pseudowire: "ppp"},
		{transport: "udp", pseudowire: "ppp", numbered: true},
	} {
		tun := &tunnel{index: i + 1}
		var both [2]config.Session
		for j, e := range l.ends {
			cfg, err := config.Parse("x.toml", []byte(s.config(l, tun, e, filepath.Join("/run", "x.sock"))))
			if err != nil {
				t.Fatal(err)
			}
			both[j] = cfg.Tunnels[0].Sessions[0]
		}
		a, b := both[0], both[1]
		if a.SID != b.PSID || b.SID != a.PSID || a.Cookie != b.PeerCookie || b.Cookie != a.PeerCookie || a.Cookie.Len() != 8 ||
			a.MTU != 1400 || a.SeqNum != s.numbered || a.InterfaceName != tun.device() {
			t.Errorf("%+v:\n%+v\n%+v", s, a, b)
		}
	}
}

func TestParseIperf(t *testing.T) {
	got, err := parseIperf([]byte(`{"start":{},"end":{"sum_sent":{"retransmits":7},"sum_received":{"bytes":1e9,"bits_per_second":8e9}}}`))
	if err != nil || got.End.Sent.Retransmits != 7 || got.End.Received.BitsPerSecond != 8e9 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"error":"unable to connect"}`, `{"end":{}}`} {
		if _, err := parseIperf([]byte(bad)); !errors.Is(err, errIperf) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPIDs(t *testing.T) {
	if pids, err := parsePIDs("1,22"); err != nil || fmt.Sprint(pids) != "[1 22]" {
		t.Errorf("%v, %v", pids, err)
	}
	if pids, err := parsePIDs(""); err != nil || len(pids) != 0 {
		t.Errorf("%v, %v", pids, err)
	}
	if _, err := parsePIDs("1,x"); err == nil {
		t.Error("x accepted")
	}
}
