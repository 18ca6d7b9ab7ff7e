package config

import (
	"fmt"
	"strings"
	"testing"
)

// manySessions is a file with n PPP sessions in one tunnel.
func manySessions(n int) string {
	var b strings.Builder
	b.WriteString(minimal)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `
[tunnel.t1.session.sub%06d]
pseudowire = "ppp"
sid = %d
psid = %d
cookie = [0x12, 0xe9, 0x54, 0x0f, 0xe2, 0x68, 0x72, 0xbc]
peer_cookie = [0x74, 0x2e, 0x28, 0xa8, 0x01, 0x02, 0x03, 0x04]
interface_name = "sub%06d"
ppp_profile = "p"
`, i, i, i, i)
	}
	b.WriteString("\n[ppp.p]\nmru = 1400\n")
	return b.String()
}

// TestManySessions: 100,000 sessions load, in order; tables are not searched from one end.
func TestManySessions(t *testing.T) {
	const n = 100_000
	c := mustParse(t, manySessions(n))
	if s := c.Tunnels[0].Sessions; len(s) != n || s[n-1].SID != n || s[n-1].InterfaceName != "sub100000" {
		t.Errorf("%d sessions", len(s))
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		text := manySessions(n)
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				mustParse(b, text)
			}
		})
	}
}
