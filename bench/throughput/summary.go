package main

import "slices"

// spread sums up the samples of one figure.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// newSpread sums up values; the zero spread is that of none.
func newSpread(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(all))
	mid := len(s) / 2
	med := s[mid]
	if len(s)%2 == 0 {
		med = (s[mid-1] + s[mid]) / 2
	}
	return spread{Median: med, Min: s[0], Max: s[len(s)-1], N: len(s)}
}

// row is a comparator under one load.
type row struct {
	Comparator string            `json:"comparator"`
	Title      string            `json:"title"`
	Values     map[string]spread `json:"values"`          // by metric key
	Ratio      *spread           `json:"ratio,omitempty"` // of the load's metric to the baseline's, round by round
	Errors     []string          `json:"errors,omitempty"`
}

// table is a load with all comparators.
type table struct {
	Load   string   `json:"load"`
	Title  string   `json:"title"`
	Metric metric   `json:"metric"`
	Also   []metric `json:"also"`
	Rows   []row    `json:"rows"`
}

// report is all of a run.
type report struct {
	Machine  machine  `json:"machine"`
	Baseline string   `json:"baseline"`
	Rounds   int      `json:"rounds"`
	Failures int      `json:"failures"`
	Tables   []table  `json:"tables"`
	Samples  []sample `json:"samples"`
}

// summarize makes the report of samples.
func summarize(m machine, o options, samples []sample) report {
	rep := report{Machine: m, Baseline: baseline, Samples: samples}
	for _, s := range samples {
		rep.Rounds = max(rep.Rounds, s.Round)
		if s.Error != "" {
			rep.Failures++
		}
	}
	for _, w := range o.loads {
		t := table{Load: w.name, Title: w.title, Metric: w.metric, Also: w.also}
		for _, c := range o.comparators {
			t.Rows = append(t.Rows, newRow(w, c, samples))
		}
		rep.Tables = append(rep.Tables, t)
	}
	return rep
}

// newRow sums up the samples of one load and comparator.
func newRow(w workload, c comparator, samples []sample) row {
	r := row{Comparator: c.name, Title: c.title, Values: map[string]spread{}}
	own := map[int]float64{}
	base := map[int]float64{}
	all := map[string][]float64{}
	for _, s := range samples {
		if s.Load != w.name {
			continue
		}
		v, measured := s.Values[w.metric.Key]
		if measured && s.Comparator == baseline {
			base[s.Round] = v
		}
		if s.Comparator != c.name {
			continue
		}
		if measured {
			own[s.Round] = v
		}
		for key, v := range s.Values {
			all[key] = append(all[key], v)
		}
		if s.Error != "" && !slices.Contains(r.Errors, s.Error) {
			r.Errors = append(r.Errors, s.Error)
		}
	}
	for key, list := range all {
		r.Values[key] = newSpread(list)
	}
	if ratios := divide(own, base); len(ratios) > 0 {
		s := newSpread(ratios)
		r.Ratio = &s
	}
	return r
}

// divide pairs the values of each round: noise that lasts longer than a round cancels out.
func divide(own, base map[int]float64) []float64 {
	var ratios []float64
	for round, v := range own {
		if b := base[round]; b > 0 {
			ratios = append(ratios, v/b)
		}
	}
	return ratios
}
