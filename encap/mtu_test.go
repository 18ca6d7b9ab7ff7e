package encap

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// tcpHeaders4 and tcpHeaders6 are what an MSS leaves out (RFC 9293 section 3.7.1).
const (
	tcpHeaders4 = IPv4Len + TCPLen
	tcpHeaders6 = IPv6Len + TCPLen
)

// TestMTUTable checks every row and column of testdata/mtu.tsv, on paths of other
// lengths too: every figure moves with the path.
func TestMTUTable(t *testing.T) {
	data, err := os.ReadFile("testdata/mtu.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		t.Run(strings.ReplaceAll(line[:strings.Index(line, "\t")+8], "\t", "-"), func(t *testing.T) {
			checkMTURow(t, strings.Fields(line))
		})
	}
	if rows != 24 {
		t.Errorf("%d rows, want 24", rows)
	}
}

func checkMTURow(t *testing.T, f []string) {
	t.Helper()
	v := make([]int, len(f))
	for i := 2; i < len(f); i++ {
		n, err := strconv.Atoi(f[i])
		if err != nil {
			t.Fatal(err)
		}
		v[i] = n
	}
	h := DataHeader{SessionID: 1}
	if f[1] == "ip" {
		h.Transport = TransportIP
	}
	if v[3] == SublayerLen {
		h.Sublayer = SublayerDefault
	}
	var err error
	if h.Cookie, err = NewCookie(make([]byte, v[2])); err != nil {
		t.Fatal(err)
	}
	six := f[0] == "IPv6"

	for _, path := range []int{1500, 1492, 1280, 9000} {
		shift := path - 1500
		eth, ppp := MTU(path, h, six, false), MTU(path, h, six, true)
		saved := func(f PPPFraming) int { return PPPHeaderLen(ProtoIPv4, PPPFraming{}) - PPPHeaderLen(ProtoIPv4, f) }
		got := []int{
			path - eth - EthernetLen, eth, eth - VLANTagLen,
			ppp, ppp + saved(PPPFraming{NoAddressControl: true}), ppp + saved(PPPFraming{true, true}),
			eth - tcpHeaders4, eth - tcpHeaders6, ppp - tcpHeaders4, ppp - tcpHeaders6,
		}
		for i, g := range got {
			want := v[4+i] + shift
			if i == 0 {
				want = v[4]
			}
			if g != want {
				t.Errorf("path %d, column %d: got %d, want %d", path, 5+i, g, want)
			}
		}
	}
}

func TestMTUNeverNegative(t *testing.T) {
	for path := range 100 {
		for _, h := range allHeaders(t) {
			if got := MTU(path, h, true, false); got < 0 || got > path {
				t.Fatalf("path %d: %d", path, got)
			}
		}
	}
}
