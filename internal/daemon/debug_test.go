package daemon

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"culvert/client"
	"culvert/internal/levels"
	"culvert/internal/mgmt"
)

func (i *instance) debug(kind, name, level string) (mgmt.LogLevel, error) {
	return client.New(i.socket).Debug(context.Background(), mgmt.DebugRequest{Kind: kind, Name: name, Level: level})
}

// TestDebug: one tunnel's frames are logged as long as somebody wants them, without what is in them.
func TestDebug(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	core, logs := observer.New(zap.DebugLevel)
	i := runWith(t, parse(t, lineConfig(ns, ends, "lcp_echo_interval = 1\n")), Options{
		Log: zap.New(core), Levels: levels.New(zap.InfoLevel, Subsystems()...),
	})
	p := newWirePeer(t, ends)
	p.until("up", p.up)
	p.until("state", func() bool { return i.session("line").State == "up" })
	frames := func() int { return logs.FilterMessage("PPP frame").Len() }
	if n := frames(); n != 0 || logs.FilterMessage("IPv4 up").FilterField(zap.String("session", "t/line")).Len() != 1 {
		t.Fatalf("%d frames, %v", n, logs.All())
	}
	if l, err := i.debug(mgmt.LevelOfTunnel, "t", "debug"); err != nil || l != (mgmt.LogLevel{Kind: "tunnel", Name: "t", Level: "debug", Own: true}) {
		t.Fatalf("%+v, %v", l, err)
	}
	p.restart()
	p.until("up again", p.up)
	p.until("frames", func() bool { return frames() > 4 })
	if e := logs.FilterMessage("PPP frame").All()[0]; e.LoggerName != "ppp" || e.ContextMap()["protocol"] != "LCP" || e.ContextMap()["session"] != "t/line" {
		t.Errorf("%+v", e)
	}
	if l, err := i.debug(mgmt.LevelOfTunnel, "t", mgmt.LevelDefault); err != nil || l.Own || l.Level != "info" {
		t.Fatalf("%+v, %v", l, err)
	}
	before := frames()
	p.restart()
	p.until("up once more", p.up)
	if n := frames(); n != before {
		t.Errorf("%d frames more", n-before)
	}
	for _, bad := range [][3]string{{"tunnel", "none", "debug"}, {"subsystem", "none", "debug"}} {
		if l, err := i.debug(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v: %+v", bad, l)
		}
	}
	if _, err := i.debug(mgmt.LevelOfSubsystem, "ppp", "warn"); err != nil {
		t.Error(err)
	}
	all, err := client.New(i.socket).Levels(context.Background())
	if err != nil || len(all) != len(Subsystems())+1 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, l := range all {
		if want := map[bool]string{true: "warn", false: "info"}[l.Name == "ppp"]; l.Level != want || l.Kind != mgmt.LevelOfSubsystem {
			t.Errorf("%+v", l)
		}
	}
}

// TestDebugControl: control messages of a tunnel are logged without their AVPs.
func TestDebugControl(t *testing.T) {
	nsA := newNS(t)
	core, logs := observer.New(zap.DebugLevel)
	port := freePorts(t, 2)
	lv := levels.New(zap.InfoLevel, Subsystems()...)
	debug := zap.DebugLevel
	if err := lv.SetTunnel("access:1", &debug); err != nil {
		t.Fatal(err)
	}
	lns := runWith(t, parse(t, answering(nsA, `"the secret"`, port[0])), Options{Log: zap.New(core), Levels: lv})
	run(t, dialing(newNS(t), "udp", "127.0.0.2:"+strconv.Itoa(port[1]), "127.0.0.1:"+strconv.Itoa(port[0]), "the secret", 0))
	eventually(t, "up", func() bool {
		for _, err := range client.New(lns.socket).Sessions(context.Background(), client.Filter{State: "up"}) {
			return err == nil
		}
		return false
	})
	seen := map[any]bool{}
	for _, e := range logs.FilterMessage("control message").All() {
		m := e.ContextMap()
		seen[m["type"]] = true
		if e.LoggerName != "control" || m["tunnel"] != "access:1" {
			t.Errorf("%+v", e)
		}
		for _, v := range m {
			if s, ok := v.(string); ok && strings.Contains(s, "secret") {
				t.Errorf("%+v", e)
			}
		}
	}
	if !seen["ICRQ"] || !seen["ICRP"] || !seen["ICCN"] {
		t.Errorf("%v", seen)
	}
}
