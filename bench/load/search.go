package load

import (
	"errors"
	"math"
)

// SearchConfig tells Search when to be content; zero fields take the defaults.
type SearchConfig struct {
	Loss      float64 // greatest share that may be lost, 0: 0.001
	Precision float64 // stop when the bounds are this close, 0: 0.05 (5 %)
	Retries   int     // further chances of a trial that lost too much, <0: none, 0: 1
	Start     float64 // packets/s to begin with, 0: find out by sending without pacing
	MaxTrials int     // 0: 24
}

func (c SearchConfig) withDefaults() SearchConfig {
	if c.Loss <= 0 {
		c.Loss = 0.001
	}
	if c.Precision <= 0 {
		c.Precision = 0.05
	}
	switch {
	case c.Retries < 0:
		c.Retries = 0
	case c.Retries == 0:
		c.Retries = 1
	}
	if c.MaxTrials <= 0 {
		c.MaxTrials = 24
	}
	return c
}

// SearchResult is the best trial of a search.
type SearchResult struct {
	Best    Result `json:"best"`
	Limited bool   `json:"sender_limited"` // the generator could not send faster: the path may carry more
	Trials  int    `json:"trials"`
}

// ErrLossy says that no rate was found at which little enough is lost.
var ErrLossy = errors.New("too much is lost at every rate tried")

const (
	growth      = 1.4 // step while only one bound is known
	senderShare = 0.9 // a generator that reaches less of the asked rate is at its limit
	lowestRate  = 100 // packets/s: below this the search gives up
)

// Search finds the highest rate at which trial, called with a rate in packets/s (0: without pacing), loses at most the
// share c.Loss.
func Search(c SearchConfig, trial func(rate float64) (Result, error)) (SearchResult, error) {
	s := search{cfg: c.withDefaults(), trial: trial}
	rate := s.cfg.Start
	if rate <= 0 {
		passed, r, err := s.try(0)
		if err != nil || passed {
			s.out.Limited = true
			return s.out, err
		}
		rate = max(r.Rate, r.Offered/50) // under overload next to nothing may arrive
	}
	offered := 0.0 // most the generator has managed
	for s.out.Trials < s.cfg.MaxTrials && rate >= lowestRate {
		passed, r, err := s.try(rate)
		if err != nil {
			return s.out, err
		}
		if passed && r.Offered < senderShare*rate && r.Offered < (1+s.cfg.Precision)*offered {
			s.out.Limited = true
			return s.out, nil
		}
		offered = max(offered, r.Offered)
		if rate = s.next(rate, passed); rate == 0 {
			return s.out, nil
		}
	}
	if s.low == 0 {
		return s.out, ErrLossy
	}
	return s.out, nil
}

// search is one search: the bounds so far, 0 where there is none.
type search struct {
	cfg       SearchConfig
	trial     func(rate float64) (Result, error)
	low, high float64
	out       SearchResult
}

// try runs a trial, again while it fails and may.
func (s *search) try(rate float64) (passed bool, r Result, err error) {
	retries := s.cfg.Retries
	if rate == 0 {
		retries = 0 // only there to learn what to expect
	}
	for i := 0; i <= retries && s.out.Trials < s.cfg.MaxTrials; i++ {
		if r, err = s.trial(rate); err != nil {
			return false, r, err
		}
		s.out.Trials++
		if r.Sent > 0 && r.Loss <= s.cfg.Loss {
			if r.Rate > s.out.Best.Rate {
				s.out.Best = r
			}
			return true, r, nil
		}
	}
	return false, r, nil
}

// next moves a bound and returns the rate to try next, 0 when the bounds are close.
func (s *search) next(rate float64, passed bool) float64 {
	if passed {
		s.low = rate
	} else {
		s.high = rate
	}
	switch {
	case s.high == 0:
		return rate * growth
	case s.low == 0:
		return rate / growth
	case s.high/s.low < 1+s.cfg.Precision:
		return 0
	}
	return math.Sqrt(s.low * s.high)
}
