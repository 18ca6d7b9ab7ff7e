package levels

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func level(l zapcore.Level) *zapcore.Level { return &l }

// TestLevels: a tunnel's level counts before the subsystem's, and that before the one for all.
func TestLevels(t *testing.T) {
	at, logs := observer.New(zap.DebugLevel)
	l := New(zap.InfoLevel, "ppp", "control")
	log := zap.New(l.Wrap(at))
	ppp := log.Named("ppp")
	said := func() string {
		for _, lv := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel, zap.WarnLevel} {
			log.Log(lv, "main")
			ppp.Log(lv, "a", zap.String(FieldTunnel, "a"))
			ppp.Named("deeper").Log(lv, "b", zap.Int("n", 1), zap.String(FieldSession, "b/c/d"))
			log.With(zap.String(FieldTunnel, "c")).Log(lv, "c")
		}
		var b strings.Builder
		for _, e := range logs.TakeAll() {
			fmt.Fprintf(&b, "%s%c ", e.Message, e.Level.String()[0])
		}
		return strings.TrimSpace(b.String())
	}
	check := func(what, want string) {
		t.Helper()
		if got := said(); got != want {
			t.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check("first", "maini ai bi ci mainw aw bw cw")
	must(l.SetSubsystem("ppp", level(zap.WarnLevel)))
	check("subsystem", "maini ci mainw aw bw cw")
	must(l.SetTunnel("b", level(zap.DebugLevel)))
	check("tunnel, by session", "bd maini bi ci mainw aw bw cw")
	must(l.SetTunnel("c", level(zap.ErrorLevel)))
	check("tunnel, by With", "bd maini bi mainw aw bw")
	l.SetAll(zap.WarnLevel)
	check("all", "bd bi mainw aw bw")
	must(l.SetTunnel("b", nil))
	must(l.SetTunnel("c", nil))
	must(l.SetSubsystem("ppp", nil))
	must(l.SetSubsystem(Main, level(zap.DebugLevel)))
	check("taken back", "maind cd maini ci mainw aw bw cw")
	if err := l.SetSubsystem("pp", nil); err == nil {
		t.Error("an unknown subsystem has a level")
	}
	if got := fmt.Sprint(l.List()); got != "[{false control warn false} {false main debug true} {false ppp warn false}]" {
		t.Errorf("%s", got)
	}
}

// TestBound: levels of tunnels cannot grow without end.
func TestBound(t *testing.T) {
	l := New(zap.InfoLevel)
	for n := range maxTunnels {
		if err := l.SetTunnel(fmt.Sprint(n), level(zap.DebugLevel)); err != nil {
			t.Fatal(err)
		}
	}
	if l.SetTunnel("more", level(zap.DebugLevel)) == nil || l.SetTunnel("7", level(zap.WarnLevel)) != nil || l.SetTunnel("8", nil) != nil {
		t.Error("not the bound")
	}
	if err := l.SetTunnel("more", level(zap.DebugLevel)); err != nil {
		t.Error(err)
	}
}

// TestSamplingBehind: entries that are not let through do not use up the sampler's share.
func TestSamplingBehind(t *testing.T) {
	at, logs := observer.New(zap.DebugLevel)
	l := New(zap.InfoLevel)
	log := zap.New(l.Wrap(zapcore.NewSamplerWithOptions(at, 1e12, 2, 0)))
	if err := l.SetTunnel("b", level(zap.DebugLevel)); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		log.Debug("frame", zap.String(FieldTunnel, "a"))
	}
	for range 100 {
		log.Debug("frame", zap.String(FieldTunnel, "b"))
	}
	if n := logs.Len(); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestOffCostsNothing: what is off allocates nothing.
func TestOffCostsNothing(t *testing.T) {
	at, _ := observer.New(zap.DebugLevel)
	log := zap.New(New(zap.InfoLevel).Wrap(at)).Named("ppp")
	name := strings.Repeat("x", 3)
	if n := testing.AllocsPerRun(100, func() {
		if ce := log.Check(zap.DebugLevel, "frame"); ce != nil {
			ce.Write(zap.String(FieldTunnel, name))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkOff is what a debug message costs that nobody wants.
func BenchmarkOff(b *testing.B) {
	at, _ := observer.New(zap.DebugLevel)
	log := zap.New(New(zap.InfoLevel).Wrap(at)).Named("ppp")
	for b.Loop() {
		if ce := log.Check(zap.DebugLevel, "frame"); ce != nil {
			ce.Write()
		}
	}
}
