//go:build interop

package interop

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestOuterHeader: what the tunnel's options do to the packets that the kernel receives, as tcpdump in the guest sees
// them, and that the kernel takes them.
func TestOuterHeader(t *testing.T) {
	cases := []struct {
		name, options    string
		udpOnly          bool
		ping             string // extra options of ping at our end
		want4, want6     string // in tcpdump's words, regular expressions
		kernel, noKernel string // extra words for `ip l2tp add tunnel` by IP version 6 and 4
	}{
		{name: "ttl-and-dscp", options: "ttl = 17\ndscp = 46", want4: "tos 0xb8, ttl 17,", want6: "class 0xb8, .*hlim 17,"},
		{name: "dscp-copied", options: `dscp = "copy"`, ping: "-Q 0x68", want4: "tos 0x68,", want6: "class 0x68,"},
		{name: "df-clear", options: "df = false", want4: `flags \[none\]`},
		{name: "df-set", options: "df = true", want4: `flags \[DF\]`},
		{
			name: "no-udp-checksum", options: "udp_csum = false", udpOnly: true, want4: `\[no cksum\]`, want6: "cksum 0x0000 ",
			kernel: " udp6_csum_rx off udp6_csum_tx off", noKernel: " udp_csum off",
		},
		{
			name: "udp-checksum", options: "udp_csum = true", udpOnly: true, want4: `\[udp sum ok\]`, want6: `\[udp sum ok\]`,
			kernel: " udp6_csum_rx on udp6_csum_tx on", noKernel: " udp_csum on",
		},
	}
	for _, tr := range transports {
		for _, k := range cases {
			want, kernel := k.want4, k.noKernel
			if tr.host.Is6() {
				want, kernel = k.want6, k.kernel
			}
			if k.udpOnly && tr.encap != "udp" || want == "" {
				continue
			}
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "outer header", tr.name)
				lab := useLab(t)
				l := newLink(tr, 8, false, false)
				l.kernelOptions = kernel
				config := strings.Replace(l.toml("eth", ethernetAddresses), "\ntid = ", "\n"+k.options+"\ntid = ", 1)
				c := l.ethernet(t, lab, true, config)
				lab.peer.run(t, "until_ok 40 ping -n -q -c 1 -W 1 %s", innerHost4)
				seen := lab.sees(t, "src "+tr.host.String(), func() { lab.hostPing(t, k.ping+" -s 800") })
				if !regexp.MustCompile(want).MatchString(seen) {
					t.Errorf("no %q in what the kernel received:\n%s", want, seen)
				}
				peerPings(t, lab, innerHost4.String(), l.mtu(false))
				everySize(t, lab, innerPeer4, 0, l.mtu(false))
				c.noDrops(t)
				c.stop(t)
			})
		}
	}
}

// hostPing sends one request through the pseudowire with the system's ping, for the options that ours does not have.
func (l *lab) hostPing(t *testing.T, options string) {
	t.Helper()
	args := append([]string{"netns", "exec", l.host.name, "ping", "-n", "-q", "-c", "1", "-W", "2"}, strings.Fields(options)...)
	if err := ip(append(args, innerPeer4.String())...); err != nil {
		t.Fatal(err)
	}
}

// hostPingFails sends two requests that are too large and gives what ping says about them.
func (l *lab) hostPingFails(t *testing.T, to string, size int) string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", l.host.name, "ping", "-n", "-c", "2", "-i", "0.1", "-W", "1", "-M", "do", "-s", fmt.Sprint(size), to).CombinedOutput()
	if err == nil {
		t.Errorf("ping %s with %d bytes of data succeeded", to, size)
	}
	return string(out)
}

// sees gives what tcpdump in the guest prints of the first packet on the underlay that the filter selects while f runs. It
// must be larger than what hosts send by themselves (ARP, MLD).
func (l *lab) sees(t *testing.T, filter string, f func()) string {
	t.Helper()
	l.peer.run(t, "rm -f /tmp/cap.err; timeout 10 tcpdump -nn -vv --immediate-mode -i eth0 -c 1 '%s and greater 800 and (udp or proto 115 or ip6 proto 115)' >/tmp/cap 2>/tmp/cap.err & dump=$!; until_ok 100 grep -q listening /tmp/cap.err", filter)
	f()
	return l.peer.run(t, "wait $dump; cat /tmp/cap")
}

// TestTooBig: the path is 1500 bytes for the kernel, but ours was told of 80 bytes that something below takes. Both
// ends' hosts believe in a larger MTU inside; ours hears the right one from us, in its own ICMP.
func TestTooBig(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "too big is answered", tr.name)
			lab := useLab(t)
			l := newLink(tr, 8, true, false)
			config := strings.Replace(l.toml("eth", ethernetAddresses, "mtu = 1500"), "\ntid = ", "\nunderlay_overhead = 80\ntid = ", 1)
			c := l.ethernet(t, lab, true, config)
			mtu := l.mtu(false) - 80
			for _, to := range []string{innerPeer4.String(), innerPeer6.String()} {
				header := ip4Header + icmpHeader
				if strings.Contains(to, ":") {
					header = ip6Header + icmpHeader
				}
				// the first is answered with the MTU, which the kernel then knows and tells ping itself
				out := lab.hostPingFails(t, to, 1500-header)
				if want := fmt.Sprintf("mtu = %d", mtu); !strings.Contains(strings.ReplaceAll(out, "mtu=", "mtu = "), want) {
					t.Errorf("ping %s with 1500 bytes: no %q in\n%s", to, want, out)
				}
			}
			if n := c.drops(t)["too_big"]; n < 2 {
				t.Errorf("drops: %v, want too_big", c.drops(t))
			}
			everySize(t, lab, innerPeer4, 0, mtu)
			everySize(t, lab, innerPeer6, 0, mtu)
			c.noDrops(t, "too_big")
		})
	}
}
