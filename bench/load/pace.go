package load

import "time"

const (
	burstTime  = 200 * time.Microsecond // packets of this long leave together, at most
	creditTime = time.Millisecond       // what a late sender may catch up on
	maxBatch   = 64                     // messages in one system call
)

// pacer gives out packets at a rate: a token bucket. What a late sender misses beyond creditTime is not made up for,
// since the burst would be lost on the way and be blamed on the path.
type pacer struct {
	rate   float64 // packets/s
	burst  float64 // packets that should leave together
	limit  float64 // most credit
	credit float64
	last   time.Time
}

// newPacer starts at now. unit is how many packets leave at least together (GSO), most how many at most.
func newPacer(rate float64, unit, most int, now time.Time) *pacer {
	burst := min(max(rate*burstTime.Seconds(), float64(unit)), float64(most))
	return &pacer{rate: rate, burst: burst, limit: max(2*burst, rate*creditTime.Seconds()), last: now}
}

// grant returns how many packets may leave now, in whole units.
func (p *pacer) grant(now time.Time, unit, most int) int {
	p.credit = min(p.credit+now.Sub(p.last).Seconds()*p.rate, p.limit)
	p.last = now
	if p.credit < float64(unit) {
		return 0
	}
	n := min(int(p.credit)/unit*unit, most)
	p.credit -= float64(n)
	return n
}

// wait is how long until a burst may leave.
func (p *pacer) wait() time.Duration {
	return time.Duration((p.burst - p.credit) / p.rate * float64(time.Second))
}
