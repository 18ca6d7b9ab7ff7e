package proof

import (
	"testing"
	"time"

	"culvert/bench/scale"
	"culvert/internal/testenv"
)

// TestScale is a small run of `culvert bench scale`: every session is set up, a packet with its number comes through it and
// no other, all counters move, and everything goes.
func TestScale(t *testing.T) {
	c := scale.Config{Binary: culvert(t), Sessions: 2000, Packets: 4000, Echo: 250 * time.Millisecond, Log: t.Logf}
	if testenv.RaceEnabled {
		c.Sessions, c.Packets = 50, 200
	}
	r, err := scale.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sessions != c.Sessions || r.Limited || r.PerSession <= 0 || r.CostAll <= 0 || r.SetupSeconds <= 0 {
		t.Errorf("result %+v", r)
	}
	t.Logf("\n%s", r.Markdown())
}

// TestMoreSessionsThanDescriptors: the same with far more sessions, each with a device of its own, than either end may
// have open files.
func TestMoreSessionsThanDescriptors(t *testing.T) {
	c := scale.Config{Binary: culvert(t), Sessions: 1200, Descriptors: 256, Packets: 2400, Log: t.Logf}
	if testenv.RaceEnabled {
		c.Sessions, c.Packets = 400, 400
	}
	r, err := scale.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sessions != c.Sessions || r.Descriptors != c.Descriptors {
		t.Errorf("result %+v", r)
	}
}
