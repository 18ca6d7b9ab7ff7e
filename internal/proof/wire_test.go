package proof

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"culvert/client"
	"culvert/control"
	"culvert/internal/testenv"
)

const wireSecret = "what both ends know"

type wire struct{ encap, lac, port, auth string }

// wires are the tunnels whose messages are looked at: by the initiator's address.
var wires = []wire{
	{"udp", "10.0.0.2", ":1701", fmt.Sprintf("secret = %q\ndigest = \"sha1\"\nhide_avps = true\n", wireSecret)},
	{"ip", "10.0.0.3", "", fmt.Sprintf("secret = %q\ndigest = \"md5\"\nhide_avps = true\n", wireSecret)},
	{"udp", "10.0.0.4", ":1701", ""},
	{"ip", "10.0.0.5", "", ""},
}

func wireConfigurations() (lns, lac string) {
	var a, b strings.Builder
	a.WriteString("[listen.udp]\nlocal = \"10.0.0.1\"\n[listen.ip]\nencap = \"ip\"\nlocal = \"10.0.0.1\"\n")
	const profiles = `[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "0-9"
ppp_profile = "p"
cookie_size = 4
[profile.session.lan]
pseudowire = "eth"
remote_end_id = "lan_{n}"
n = "0-19"
l2spec_type = "default"
seqnum = true
[ppp.p]
local_address = "10.77.0.1"
peer_address = "10.77.0.2"
`
	for i, w := range wires {
		common := w.auth + "hello_timeout = 300\n"
		fmt.Fprintf(&a, "[peer.p%d]\naddresses = [%q]\nhost_name = \"lns\"\n%s", i, w.lac, common)
		fmt.Fprintf(&b, "[tunnel.t%d]\nencap = %q\nlocal = %q\npeer = \"10.0.0.1\"\nhost_name = \"lac\"\n%s", i, w.encap, w.lac+w.port, common)
		fmt.Fprintf(&b, "[tunnel.t%d.session.line]\npseudowire = \"ppp\"\nremote_end_id = \"sub_%[1]d\"\n", i)
		fmt.Fprintf(&b, "[tunnel.t%d.session.wire]\npseudowire = \"eth\"\nremote_end_id = \"lan_%[1]d\"\ncookie_size = 0\n", i)
		fmt.Fprintf(&b, "[tunnel.t%d.session.placed]\npseudowire = \"eth\"\nremote_end_id = \"lan_1%[1]d\"\ncall = \"outgoing\"\n", i)
		fmt.Fprintf(&b, "[tunnel.t%d.session.nobody]\npseudowire = \"eth\"\nremote_end_id = \"nobody has this\"\n", i)
	}
	return a.String() + profiles, b.String()
}

// TestWire: what two culverts say to each other, over UDP and IP 115, with HMAC-SHA-1, HMAC-MD5 and without digests,
// is what tshark takes it for: digests are right, nothing is malformed, unknown or odd, and every type of message is there
// that the daemon says. WEN and SLI, which it does not yet, are in control's TestWriteGolden.
func TestWire(t *testing.T) {
	tshark := testenv.RequireProgram(t, "tshark")
	lns, lac := newNode(t, "lns"), newNode(t, "lac")
	join(lns, lac, "wire", []string{"10.0.0.1/24"}, []string{"10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.5/24"})
	a, b := wireConfigurations()
	lns.configure(a)
	lac.configure(b)
	file := filepath.Join(t.TempDir(), "wire.pcap")
	stop := lac.capture(t, "wire", file)
	lns.start()
	lac.start()
	lns.allUp(3 * len(wires))
	lac.eventually("to say HELLO and hear a refusal on all tunnels", func() string {
		for name, m := range lac.tunnels() {
			// SCCRQ, SCCCN, three ICRQs, two ICCNs, OCRQ; the rest are HELLOs
			if m.Control.Sent < 9 || m.Control.Received < 9 {
				return fmt.Sprintf("%s: %+v", name, m.Control)
			}
		}
		for _, s := range lac.sessions() {
			if s.Name == "nobody" && !strings.Contains(s.Reason, "no session profile has this Remote End ID") {
				return fmt.Sprintf("%+v", s)
			}
		}
		return ""
	})
	lac.stop()
	lns.eventually("to let go", func() string {
		if left := ask(lns, (*client.Client).Tunnels); len(left) > 0 {
			return fmt.Sprintf("%+v", left)
		}
		return ""
	})
	stop()
	lns.stop()

	seen := dissect(t, tshark, file, wireSecret, true)
	signed := []string{"SCCRQ", "SCCRP", "SCCCN", "StopCCN", "HELLO", "ICRQ hidden", "ICRP hidden", "ICCN", "OCRQ hidden", "OCRP hidden", "OCCN", "CDN", "ACK"}
	plain := []string{"SCCRQ", "SCCRP", "SCCCN", "StopCCN", "HELLO", "ICRQ", "ICRP", "ICCN", "OCRQ", "OCRP", "OCCN", "CDN", "ZLB"}
	for i, w := range wires {
		want := plain
		if w.auth != "" {
			want = signed
		}
		got := slices.Sorted(maps.Keys(seen[w.lac]))
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("tunnel %d: %v, want %v", i, got, want)
		}
		t.Logf("%s %s: %v", w.encap, w.lac, seen[w.lac])
	}
	dissect(t, tshark, file, "not "+wireSecret, false)
}

// tsharkFields are what dissect asks for; all that come after the fifth say that something is wrong.
var tsharkFields = []string{
	"ip.src", "ip.dst", "l2tp.avp.message_type", "l2tp.avp.hidden", "l2tp.avp.message_digest",
	"l2tp.incorrect_digest", "_ws.malformed", "_ws.expert.message", "l2tp.vendor_specific_avp_data",
}

// dissect lets tshark read the control messages of a capture and counts them by tunnel and type. Nothing may be wrong
// with them, but digests where the secret is not the one.
func dissect(t *testing.T, tshark, file, secret string, good bool) map[string]map[string]int {
	t.Helper()
	base := []string{"-n", "-r", file, "-o", "l2tp.shared_secret:" + secret, "-Y", "l2tp.type == 1"}
	args := append(slices.Clone(base), "-T", "fields", "-E", "aggregator=,")
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	out, err := exec.CommandContext(t.Context(), tshark, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]map[string]int)
	wrong := 0
	for line := range strings.Lines(string(out)) {
		cell := strings.Split(strings.TrimRight(line, "\n"), "\t")
		tunnel, name := cell[0], "ZLB"
		if tunnel == "10.0.0.1" {
			tunnel = cell[1]
		}
		if cell[2] != "" {
			n, err := strconv.ParseUint(cell[2], 0, 16)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			name = control.MessageType(n).String()
		}
		if strings.Contains(cell[3], "1") {
			name += " hidden"
		}
		digests := slices.IndexFunc(wires, func(w wire) bool { return w.lac == tunnel && w.auth != "" }) >= 0
		if digests != (cell[4] != "") {
			t.Errorf("a digest is missing, or there is one: %q", line)
		}
		if complaint := strings.Join(cell[5:], ""); good && complaint != "" {
			t.Errorf("%s: %q", name, line)
		} else if complaint != "" {
			wrong++
		}
		if seen[tunnel] == nil {
			seen[tunnel] = make(map[string]int)
		}
		seen[tunnel][name]++
	}
	if !good && wrong == 0 {
		t.Error("tshark does not check digests")
	}
	if full, err := exec.CommandContext(t.Context(), tshark, append(base, "-O", "l2tp", "-V")...).Output(); err != nil {
		t.Error(err)
	} else if good {
		odd := regexp.MustCompile(`(?im)^.*(unknown|malformed|expert info|undecoded).*$`)
		if lines := odd.FindAll(full, 3); len(lines) > 0 {
			t.Errorf("%d lines say that something is odd, such as %q", len(odd.FindAll(full, -1)), lines)
		}
	}
	return seen
}
