package load

import (
	"errors"
	"math"
	"testing"
)

// path is something that carries up to capacity packets/s and a generator that manages up to sender.
type path struct {
	capacity, sender float64
	collapse         bool // overload carries next to nothing
	hiccups          map[int]bool
	trials           int
}

func (p *path) trial(rate float64) (Result, error) {
	p.trials++
	if rate == 0 || rate > p.sender {
		rate = p.sender
	}
	carried := min(rate, p.capacity)
	if p.collapse && rate > p.capacity {
		carried = p.capacity / 1000
	}
	if p.hiccups[p.trials] {
		carried /= 2
	}
	r := Result{Sent: uint64(rate), Offered: rate, Rate: carried, Loss: 1 - carried/rate}
	return r, nil
}

func TestSearch(t *testing.T) {
	const capacity, sender = 250_000.0, 700_000.0
	tests := []struct {
		name    string
		path    path
		cfg     SearchConfig
		want    float64
		limited bool
	}{
		{"plain", path{capacity: capacity, sender: sender}, SearchConfig{}, capacity, false},
		{"precise", path{capacity: capacity, sender: sender}, SearchConfig{Precision: 0.005, MaxTrials: 50}, capacity, false},
		{"livelock", path{capacity: 20_000, sender: sender, collapse: true}, SearchConfig{MaxTrials: 50}, 20_000, false},
		{"sender is the limit", path{capacity: 1e9, sender: sender}, SearchConfig{}, sender, true},
		{"sender is the limit, started low", path{capacity: 1e9, sender: sender}, SearchConfig{Start: 100_000}, sender, true},
		{"started low", path{capacity: capacity, sender: sender}, SearchConfig{Start: 10_000}, capacity, false},
		{"started high", path{capacity: capacity, sender: 1e9}, SearchConfig{Start: 5e6, MaxTrials: 50}, capacity, false},
		{"hiccups", path{capacity: capacity, sender: sender, hiccups: map[int]bool{3: true, 6: true, 9: true}}, SearchConfig{}, capacity, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Search(tt.cfg, tt.path.trial)
			precision := tt.cfg.withDefaults().Precision
			if err != nil || got.Limited != tt.limited || got.Trials != tt.path.trials {
				t.Fatalf("%+v after %d, %v", got, tt.path.trials, err)
			}
			if off := math.Abs(got.Best.Rate/tt.want - 1); off > precision || got.Best.Loss > 0.001 {
				t.Errorf("rate %.0f, want %.0f", got.Best.Rate, tt.want)
			}
		})
	}
}

func TestSearchFails(t *testing.T) {
	nothing := func(rate float64) (Result, error) { return Result{Sent: 1000, Offered: 1e6, Loss: 1}, nil }
	got, err := Search(SearchConfig{}, nothing)
	if !errors.Is(err, ErrLossy) || got.Trials > 24 {
		t.Errorf("%+v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := Search(SearchConfig{}, func(float64) (Result, error) { return Result{}, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	unsent := func(rate float64) (Result, error) { return Result{}, nil }
	if _, err := Search(SearchConfig{Start: 1000, Retries: -1}, unsent); !errors.Is(err, ErrLossy) {
		t.Errorf("nothing sent: %v", err)
	}
}
