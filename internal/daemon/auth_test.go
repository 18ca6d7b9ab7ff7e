package daemon

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"culvert/internal/auth"
	"culvert/internal/config"
	"culvert/pppfsm"
)

// authEnds are twoEnds' files with more keys in their profiles.
func authEnds(t *testing.T, keysA, keysB string) (a, b string) {
	t.Helper()
	textA, textB := twoEnds(newNS(t), newNS(t), freePorts(t, 2))
	return textA + keysA, textB + keysB
}

// secretsFile writes a secrets file and gives the key for it.
func secretsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("secrets_file = %q\n", path)
}

// TestMutualAuthentication: both ends prove themselves, with different methods, and the API says how. The client
// naks the first method it is asked for.
func TestMutualAuthentication(t *testing.T) {
	server := secretsFile(t, "client lns \"the client's\" 10.77.0.2\nlns client ours\n")
	a, b := authEnds(t,
		server+"auth = ['mschapv2', 'pap', 'chap']\nname = 'lns'\nrefuse = ['mschapv2']\n",
		"auth = ['mschapv2', 'chap']\nname = 'client'\npassword = \"the client's\"\nrefuse = ['mschapv2', 'pap']\n"+
			"peer_user = 'lns'\npeer_password = 'ours'\n")
	x, y := run(t, a), run(t, b)
	eventually(t, "PPP up", func() bool { return x.session("line").State == "up" && y.session("line").State == "up" })
	p, q := x.session("line").PPP, y.session("line").PPP
	if p.PeerAuth != "chap" || p.PeerName != "client" || p.LocalAuth != "chap" || p.LocalName != "lns" {
		t.Errorf("server: %+v", p)
	}
	if q.PeerAuth != "chap" || q.PeerName != "lns" || q.LocalAuth != "chap" || q.LocalName != "client" {
		t.Errorf("client: %+v", q)
	}
}

// TestMSCHAPv2BetweenDaemons: with the peer's proof to us.
func TestMSCHAPv2BetweenDaemons(t *testing.T) {
	a, b := authEnds(t, "auth = ['mschapv2']\npeer_password = 'x'\n", "user = 'DOM\\joe'\npassword = 'x'\n")
	x, y := run(t, a), run(t, b)
	eventually(t, "PPP up", func() bool { return x.session("line").State == "up" && y.session("line").State == "up" })
	if p := x.session("line").PPP; p.PeerAuth != "mschapv2" || p.PeerName != `DOM\joe` || p.LocalAuth != "" {
		t.Errorf("%+v", p)
	}
}

// TestAuthUp: auth_up runs with the name that a real peer proved, before ip_up.
func TestAuthUp(t *testing.T) {
	keys, file := scriptLog(t)
	a, b := authEnds(t, "auth = ['chap']\npeer_password = 'x'\n"+keys, "user = 'joe'\npassword = 'x'\n")
	x := run(t, a)
	run(t, b)
	eventually(t, "scripts", func() bool {
		names, lines := events(t, file)
		return len(names) > 1 && names[0] == "auth_up" && names[1] != "auth_up" && strings.Contains(lines[0], " joe ") &&
			strings.Contains(lines[1], " PEERNAME=joe ")
	})
	if p := x.session("line").PPP; p.PeerName != "joe" {
		t.Errorf("%+v", p)
	}
}

// TestWrongPassword: nothing comes up, both ends say why, and the device has no address.
func TestWrongPassword(t *testing.T) {
	a, b := authEnds(t, "auth = ['chap']\npeer_password = 'right'\n", "user = 'joe'\npassword = 'wrong'\n")
	x, y := run(t, a), run(t, b)
	eventually(t, "refused", func() bool {
		return strings.Contains(x.session("line").PPP.Reason, "peer failed to authenticate itself with CHAP") &&
			strings.Contains(y.session("line").PPP.Reason, `peer refuses our authentication with CHAP: "Access denied"`)
	})
	if s := x.session("line"); s.State == "up" || s.PPP.LocalAddress != "" || s.PPP.PeerName != "" {
		t.Errorf("%+v %+v", s, s.PPP)
	}
}

// TestForbiddenAddress: a peer that may not use what it gets is disconnected.
func TestForbiddenAddress(t *testing.T) {
	file := secretsFile(t, "joe lns x 10.99.0.0/16\n")
	a, b := authEnds(t, file+"auth = ['pap']\nname = 'lns'\n", "user = 'joe'\npassword = 'x'\n")
	x := run(t, a)
	run(t, b)
	eventually(t, "refused", func() bool {
		return x.session("line").PPP.Reason == "address 10.77.0.2 is not allowed"
	})
	if s := x.session("line"); s.PPP.PeerAddress != "" || s.State == "up" {
		t.Errorf("%+v %+v", s, s.PPP)
	}
}

// slow is an Authenticator that answers when it is told to.
type slow struct {
	mu    sync.Mutex
	asked []auth.Request
	reply []func(auth.Verdict)
	at    []time.Time
}

func (s *slow) Authenticate(r auth.Request, answer func(auth.Verdict)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.reply, s.at = append(s.asked, r), append(s.reply, answer), append(s.at, time.Now())
}

func (s *slow) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// TestAuthenticator: somebody else judges, later and from another goroutine. A refusal is held back, the next attempt
// waits for it, and an answer given twice counts once.
func TestAuthenticator(t *testing.T) {
	a, b := authEnds(t, "auth = ['chap']\npeer_password = 'not asked for'\n", "user = 'joe'\npassword = 'x'\n")
	judge := &slow{}
	cfg := parse(t, a)
	cfg.Tunnels[0].Sessions[0].PPP.Authenticator = judge
	x, y := runConfig(t, cfg), run(t, b)
	eventually(t, "asked", func() bool { return judge.count() == 1 })
	if r := judge.asked[0]; r.Session != "t/line" || r.Name != "joe" || r.Method != pppfsm.AuthCHAP || len(r.Response) != 16 {
		t.Errorf("asked %+v", r)
	}
	if s := x.session("line"); s.State != "authenticate" {
		t.Errorf("state %s while nobody answers", s.State)
	}
	begin := time.Now()
	go judge.reply[0](auth.Verdict{AuthAnswer: pppfsm.AuthAnswer{Message: "no"}})
	eventually(t, "refused", func() bool { return strings.Contains(y.session("line").PPP.Reason, `: "no"`) })
	if d := time.Since(begin); d < penaltyFirst {
		t.Errorf("refused after %v, before %v", d, penaltyFirst)
	}
	eventually(t, "asked again", func() bool { return judge.count() == 2 })
	go func() {
		judge.reply[0](auth.Verdict{AuthAnswer: pppfsm.AuthAnswer{Accepted: true}}) // a second answer to the first
		judge.reply[1](auth.Verdict{AuthAnswer: pppfsm.AuthAnswer{Accepted: true}, Addresses: auth.AnyAddress()})
	}()
	eventually(t, "PPP up", func() bool { return x.session("line").State == "up" && y.session("line").State == "up" })
	if n := judge.count(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// TestLoginTakesTurns: a link that begins again, to try another password, waits until the last one is judged and its
// penalty over; penalties grow to a limit. Virtual time, no link behind it.
func TestLoginTakesTurns(t *testing.T) {
	judge := &slow{}
	d := &daemon{cfg: &config.Config{}, log: zap.NewNop(), noisy: zap.NewNop(), noisyPPP: zap.NewNop(), noisyControl: zap.NewNop(), verdicts: newAnswers[verdict]()}
	d.plane = newPlane(d)
	s := &session{
		cfg:    &config.Session{Name: "line", PPP: &config.PPP{Authenticator: judge}},
		tunnel: &tunnel{cfg: &config.Tunnel{Name: "t"}},
		ppp:    &ppp{link: pppfsm.NewLink(pppfsm.Config{}, nil), timer: timer{index: -1}},
	}
	now := time.Unix(1000, 0)
	request := func(id uint32) { d.authenticate(s, pppfsm.AuthRequest{ID: id, Name: fmt.Sprint("n", id)}) }
	say := func(accepted bool) {
		judge.reply[len(judge.reply)-1](auth.Verdict{AuthAnswer: pppfsm.AuthAnswer{Accepted: accepted}})
		d.judged(now)
	}
	asked := func(want ...string) {
		t.Helper()
		var got []string
		for _, r := range judge.asked {
			got = append(got, r.Name)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("asked about %v, want %v", got, want)
		}
	}
	request(1)
	request(2)
	request(3) // takes the place of 2, which nobody waits for
	asked("n1")
	say(false)
	asked("n1")
	now = now.Add(penaltyFirst - 1)
	d.tickLogin(s, now)
	asked("n1")
	now = now.Add(1)
	d.tickLogin(s, now)
	asked("n1", "n3")
	for i, want := range []time.Duration{2, 4, 8, 8, 8} {
		begin := now
		say(false)
		request(uint32(10 + i))
		for !s.ppp.login.asking {
			now = now.Add(100 * time.Millisecond)
			d.tickLogin(s, now)
		}
		if got := now.Sub(begin); got != want*time.Second {
			t.Errorf("penalty %d is %v, want %v s", i, got, want)
		}
	}
	request(20)
	say(true) // of the one before: nobody waits for it any more, and nobody is let in
	if s.ppp.login == nil || s.ppp.allowed != nil || judge.asked[len(judge.asked)-1].Name != "n20" {
		t.Fatalf("login %+v, allowed %v", s.ppp.login, s.ppp.allowed)
	}
	say(true)
	if s.ppp.login != nil || s.ppp.allowed == nil { // no addresses: none may be used
		t.Errorf("login %+v, allowed %v", s.ppp.login, s.ppp.allowed)
	}
	if _, only := s.ppp.onlyAddress(); only || s.ppp.may(netip.MustParseAddr("10.0.0.1")) {
		t.Error("addresses")
	}
}
