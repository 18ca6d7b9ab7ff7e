package pppfsm

import "time"

// moment is a time in a third of the room of time.Time, in nanoseconds since began on the monotonic clock; 0 is never.
// Its methods are those of time.Time.
type moment int64

// began is only what moments count from.
var began = time.Now() //nolint:forbidigo // only its monotonic reading counts, and nobody asks for the time

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return 0
	}
	if m := moment(t.Sub(began)); m != 0 {
		return m
	}
	return 1
}

// Time is the inverse of momentOf.
func (m moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return began.Add(time.Duration(m))
}

// IsZero says that it is never.
func (m moment) IsZero() bool { return m == 0 }

// Add is d later.
func (m moment) Add(d time.Duration) moment { return m + moment(d) }

// Sub is the time from o on.
func (m moment) Sub(o moment) time.Duration { return time.Duration(m - o) }

// Before says that it is earlier than o.
func (m moment) Before(o moment) bool { return m < o }

// After says that it is later than o.
func (m moment) After(o moment) bool { return m > o }
