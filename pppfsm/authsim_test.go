package pppfsm

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chaosInterval is chap-interval in duels that have one.
const chaosInterval = 40 * time.Second

// verdictFlight is an answer on its way to the link that asked.
type verdictFlight struct {
	link   *Link
	id     uint32
	answer AuthAnswer
}

// The two ends of a duel: who they are and what they know.
var (
	duelNames   = [2]string{"alice", "bob"}
	duelSecrets = [2]string{"of alice", "of bob"}
)

// ask has the answer to a request arrive some time later: up to two seconds,
// and never in one of twenty cases.
func (d *duel) ask(i int, r AuthRequest) {
	if !d.answered && d.now.Sub(epoch) < d.w.chaosUntil && d.rng.IntN(20) == 0 {
		return
	}
	d.seq++
	d.wire = append(d.wire, flight{
		at: d.now.Add(time.Duration(d.rng.Int64N(int64(2 * time.Second)))), seq: d.seq, to: i,
		verdict: &verdictFlight{d.links[i], r.ID, judged(r, duelNames[1-i], duelSecrets[1-i])},
	})
}

// unproven says that a link that opened now does not know its peer though it
// should.
func (d *duel) unproven(i int) bool {
	a, s := d.links[i].cfg.Auth, d.links[i].Status()
	return a != nil && len(a.Require) > 0 && (s.PeerAuth == AuthNone || s.PeerName != duelNames[1-i])
}

// duelAuth is end i's authentication; right says that it knows its secret.
func duelAuth(i int, require, accept []AuthMethod, right bool) *Auth {
	secret := duelSecrets[i]
	if !right {
		secret = "not it"
	}
	return &Auth{Require: require, Accept: accept, Name: duelNames[i], Prove: prover(duelNames[i], secret)}
}

// drawAuth draws authentication for a duel and tells whether the link can
// come up.
func drawAuth(t *rapid.T, a, b *Config) (possible bool) {
	if !rapid.Bool().Draw(t, "auth") {
		return true
	}
	methods := func(label string) []AuthMethod {
		all := rapid.Permutation(allMethods).Draw(t, label)
		return all[:rapid.IntRange(0, len(all)).Draw(t, label+" count")]
	}
	var ends [2]*Auth
	var right [2]bool
	for i, name := range duelNames {
		right[i] = rapid.IntRange(0, 4).Draw(t, name+" knows") > 0
		ends[i] = duelAuth(i, methods(name+" requires"), methods(name+" accepts"), right[i])
		if rapid.Bool().Draw(t, name+" rechallenges") {
			ends[i].CHAPInterval = chaosInterval
		}
	}
	a.Auth, b.Auth = ends[0], ends[1]
	possible = true
	for i := range ends {
		if want := ends[1-i].Require; len(want) > 0 {
			possible = possible && right[i] && common(want, ends[i].Accept)
		}
	}
	return possible
}

func common(a, b []AuthMethod) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// TestDuelAuth: on a good wire every pair of wishes ends at once, with the
// method that the order of both gives, or with the reason why not.
func TestDuelAuth(t *testing.T) {
	const ms, md5, pap = AuthMSCHAPv2, AuthCHAP, AuthPAP
	list := func(m ...AuthMethod) []AuthMethod { return m }
	for _, tc := range []struct {
		name           string
		aWants, bHas   []AuthMethod
		bWants, aHas   []AuthMethod
		aWrong, bWrong bool
		bProves        AuthMethod // to a
		aProves        AuthMethod
		reason         string // of a, where the link does not come up
	}{
		{name: "PAP", aWants: list(pap), bHas: list(pap), bProves: pap},
		{name: "CHAP", aWants: list(md5), bHas: list(ms, md5, pap), bProves: md5},
		{name: "MS-CHAPv2", aWants: list(ms), bHas: list(ms, md5, pap), bProves: ms},
		{name: "first choice", aWants: list(md5, pap), bHas: list(pap, md5), bProves: md5},
		{name: "fallback", aWants: list(ms, md5, pap), bHas: list(pap), bProves: pap},
		{name: "peer's suggestion", aWants: list(ms, md5, pap), bHas: list(pap, md5), bProves: pap},
		{name: "our order", aWants: list(ms, md5, pap), bHas: list(md5, pap), bProves: md5},
		{name: "the other way", bWants: list(ms, md5), aHas: list(md5), aProves: md5},
		{name: "mutual", aWants: list(ms), bHas: list(ms), bWants: list(md5), aHas: list(md5), bProves: ms, aProves: md5},
		{name: "mutual, same", aWants: list(md5), bHas: list(md5), bWants: list(md5), aHas: list(md5), bProves: md5, aProves: md5},
		{name: "mutual PAP", aWants: list(pap), bHas: list(pap), bWants: list(pap), aHas: list(pap), bProves: pap, aProves: pap},
		{name: "nothing in common", aWants: list(ms, md5), bHas: list(pap), reason: unwillingReason},
		{name: "nothing at all", aWants: list(pap), reason: unwillingReason},
		{name: "wrong PAP", aWants: list(pap), bHas: list(pap), bWrong: true, reason: "peer failed to authenticate itself with PAP"},
		{name: "wrong CHAP", aWants: list(md5), bHas: list(md5), bWrong: true, reason: "peer failed to authenticate itself with CHAP"},
		{name: "wrong MS-CHAPv2", aWants: list(ms), bHas: list(ms), bWrong: true, reason: "peer failed to authenticate itself with MS-CHAPv2"},
		{
			name: "we are wrong", bWants: list(md5), aHas: list(md5), aWrong: true,
			reason: `peer refuses our authentication with CHAP: "go away"`,
		},
		{
			name: "mutual, one is wrong", aWants: list(md5), bHas: list(md5), bWants: list(pap), aHas: list(pap), aWrong: true,
			reason: `peer refuses our authentication with PAP: "go away"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := ends()
			a.Auth = duelAuth(0, tc.aWants, tc.aHas, !tc.aWrong)
			b.Auth = duelAuth(1, tc.bWants, tc.bHas, !tc.bWrong)
			d := newDuel(1, weather{delay: 10 * time.Millisecond}, a, b)
			d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
			d.run(5 * time.Second)
			if tc.reason != "" { // whoever still negotiates does so ten times
				d.run(time.Minute)
			}
			sa, sb := d.links[0].Status(), d.links[1].Status()
			if v := d.verdict(); v != "" {
				t.Fatalf("%s\n%+v\n%+v", v, sa, sb)
			}
			if tc.reason != "" {
				if d.open[0] || sa.Reason != tc.reason || sb.Reason == "" || !d.over[0] || !d.over[1] {
					t.Fatalf("open %v, reasons %q and %q", d.open, sa.Reason, sb.Reason)
				}
				return
			}
			if !d.open[0] || sa.PeerAuth != tc.bProves || sb.PeerAuth != tc.aProves || d.up4[0] == nil {
				t.Fatalf("\n%+v\n%+v", sa, sb)
			}
			if tc.bProves != AuthNone && (sa.PeerName != "bob" || sb.LocalName != "bob") {
				t.Errorf("names %q and %q", sa.PeerName, sb.LocalName)
			}
		})
	}
}

// TestDuelAuthConverges: with loss, duplicates and reordering, but the right
// secrets and ends that keep on, every method comes up in the end.
func TestDuelAuthConverges(t *testing.T) {
	for seed := range uint64(150) {
		a, b := ends()
		a.MaxConfigure, b.MaxConfigure = 100, 100
		a.EchoFailures, b.EchoFailures = 0, 0
		a.Auth = duelAuth(0, allMethods[seed%3:], allMethods[seed/3%3:seed/3%3+1], true)
		b.Auth = duelAuth(1, allMethods[seed/3%3:], allMethods[seed%3:], true)
		a.Auth.CHAPInterval = chaosInterval
		for _, x := range []*Auth{a.Auth, b.Auth} {
			x.PAPMaxAuthReq, x.CHAPMaxChallenge, x.PAPTimeout, x.CHAPTimeout = 100, 100, time.Hour, time.Hour
			x.Timeout = time.Hour
		}
		w := weather{loss: 0.3, dup: 0.1, delay: 10 * time.Millisecond, jitter: 50 * time.Millisecond, chaosUntil: 2 * time.Minute}
		d := newDuel(seed, w, a, b)
		d.answered = true
		d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
		d.run(6 * time.Minute)
		if v := d.verdict(); v != "" || d.up4[0] == nil || d.up6[0] == nil {
			t.Fatalf("seed %d: %q\n%+v\n%+v", seed, v, d.links[0].Status(), d.links[1].Status())
		}
	}
}
