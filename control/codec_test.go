package control

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"culvert/encap"
)

// tableLines reads a table of testdata: cells between bars, # begins a comment.
func tableLines(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		lines = append(lines, cells)
	}
	return lines
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRegistry compares the registry with what the RFC says about each attribute and each message.
func TestRegistry(t *testing.T) {
	seen := map[AVPType]bool{}
	for _, l := range tableLines(t, "avps.txt") {
		typ := AVPType(atoi(t, l[0]))
		i := rowOf(typ)
		if i < 0 {
			t.Errorf("no row for %d", typ)
			continue
		}
		seen[typ] = true
		r := registry[i]
		if r.name != l[1] || typ.String() != l[1] || r.mandatory != (l[2] == "1") || r.hide != (l[3] == "yes") {
			t.Errorf("%d: have %q M %v, hide %v; want %q", typ, r.name, r.mandatory, r.hide, l)
		}
	}
	if len(seen) != len(registry) {
		t.Errorf("%d of %d rows compared", len(seen), len(registry))
	}
	types := map[string]MessageType{}
	for i, n := range messageNames {
		types[n] = i
	}
	lines := tableLines(t, "messages.txt")
	for _, l := range lines {
		typ, ok := types[l[0]]
		if !ok {
			t.Fatalf("no message %s", l[0])
		}
		want := map[AVPType]string{}
		for i, kind := range []string{"must", "may"} {
			for _, s := range strings.Fields(l[1+i]) {
				want[AVPType(atoi(t, s))] = kind
			}
		}
		for _, r := range registry {
			have := ""
			switch {
			case r.must.has(typ) && r.may.has(typ):
				have = "both"
			case r.must.has(typ):
				have = "must"
			case r.may.has(typ):
				have = "may"
			}
			if have != want[r.typ] {
				t.Errorf("%v in %v: have %q, want %q", r.typ, typ, have, want[r.typ])
			}
			if r.vital&^r.must != 0 {
				t.Errorf("%v is vital where it need not be", r.typ)
			}
		}
	}
	if len(lines) != len(types)-1 { // but ZLB
		t.Errorf("%d messages compared", len(lines))
	}
}

// avps builds a message of plain AVPs behind the Message Type.
func avps(t MessageType, list ...AVP) Packet {
	e := Encoder{}
	m := Message{Type: t}
	raw := e.Append(nil, Header{CCID: 1}, &m)
	for _, a := range list {
		raw = a.AppendTo(raw)
	}
	raw[2], raw[3] = byte(len(raw)>>8), byte(len(raw))
	p, _, err := ParsePacket(encap.TransportUDP, raw)
	if err != nil {
		panic(err)
	}
	return p
}

func TestParseAVP(t *testing.T) {
	for _, c := range []struct {
		in  string
		n   int
		err error
	}{
		{"", 0, ErrAVPTruncated},
		{"8006000000", 0, ErrAVPTruncated},
		{"800600000001", 6, nil},
		{"800500000001", 0, ErrAVPLength},
		{"800000000001", 0, ErrAVPLength},
		{"8008000000010006", 8, nil},
		{"8008000000010006ff", 8, nil},
		{"80080000000100", 0, ErrAVPTruncated},
		{"bc0800000001" + "0006", 8, nil}, // reserved bits
	} {
		a, n, err := ParseAVP(unhex(t, c.in))
		if n != c.n || !errors.Is(err, c.err) || err == nil && a.Len() != n {
			t.Errorf("%s: %d bytes, error %v", c.in, n, err)
		}
	}
	long := AVP{Mandatory: true, Hidden: true, Vendor: 9, Type: 0xffff, Value: make([]byte, maxValueLen)}
	if a, n, err := ParseAVP(long.AppendTo(nil)); err != nil || n != MaxAVPLen || !reflect.DeepEqual(a, long) {
		t.Errorf("longest AVP: %d bytes, error %v", n, err)
	}
}

func TestParsePacket(t *testing.T) {
	const ok = "c803000c0000000100020003"
	for _, c := range []struct {
		name string
		tr   encap.Transport
		in   string
		n    int
		err  error
	}{
		{"ZLB", encap.TransportUDP, ok, 12, nil},
		{"ZLB over IP", encap.TransportIP, "00000000" + ok, 16, nil},
		{"bytes behind", encap.TransportUDP, ok + "0000", 12, nil},
		{"reserved bits", encap.TransportUDP, "fff3" + ok[4:], 12, nil},
		{"session id over IP", encap.TransportIP, "00000001" + ok, 0, ErrFlags},
		{"no session id over IP", encap.TransportIP, ok, 0, ErrFlags},
		{"short", encap.TransportUDP, ok[:22], 0, ErrTruncated},
		{"length beyond the end", encap.TransportUDP, "c803000d" + ok[8:], 0, ErrTruncated},
		{"length 11", encap.TransportUDP, "c803000b" + ok[8:], 0, ErrLength},
		{"T clear", encap.TransportUDP, "4803" + ok[4:], 0, ErrFlags},
		{"L clear", encap.TransportUDP, "8803" + ok[4:], 0, ErrFlags},
		{"S clear", encap.TransportUDP, "c003" + ok[4:], 0, ErrFlags},
		{"L2F", encap.TransportUDP, "c801" + ok[4:], 0, ErrVersion},
		{"version 2 of a tunnel", encap.TransportUDP, "c802" + ok[4:], 0, ErrVersion},
		{"version 2 of nobody's", encap.TransportUDP, "c802000c0000000000000000", 12, nil},
		{"version 2 over IP", encap.TransportIP, "00000000c802000c0000000000000000", 0, ErrVersion},
	} {
		p, n, err := ParsePacket(c.tr, unhex(t, c.in))
		if n != c.n || !errors.Is(err, c.err) {
			t.Errorf("%s: %d bytes, error %v", c.name, n, err)
		}
		if err == nil && p.Version == 3 && p.Header != (Header{1, 2, 3}) {
			t.Errorf("%s: header %+v", c.name, p.Header)
		}
	}
}

// TestDecode goes through what RFC 3931 sections 5.2 and 7.1 say about AVPs that are unknown, malformed or missing.
func TestDecode(t *testing.T) {
	m, o := true, false
	id := AVP{m, o, 0, AVPLocalSessionID, []byte{0, 0, 0, 1}}
	rid := AVP{m, o, 0, AVPRemoteSessionID, []byte{0, 0, 0, 2}}
	for _, c := range []struct {
		name    string
		p       Packet
		strict  bool
		err     error
		code    ErrorCode
		ignored int
	}{
		{"unknown without M", avps(HELLO, AVP{o, o, 0, 999, nil}), true, nil, 0, 1},
		{"unknown with M", avps(HELLO, AVP{m, o, 0, 999, nil}), false, ErrAVPUnknown, ErrorUnknownAVP, 0},
		{"unknown vendor with M", avps(HELLO, AVP{m, o, 9, 1, nil}), false, ErrAVPUnknown, ErrorUnknownAVP, 0},
		{"unknown vendor without M", avps(HELLO, AVP{o, o, 9, 1, nil}), false, nil, 0, 1},
		{"extended vendor", avps(HELLO, AVP{o, o, 0, AVPExtendedVendorID, []byte{0, 1, 0, 0, 0, 7}}), true, nil, 0, 1},
		{"RFC 2661 with M", avps(SCCCN, AVP{m, o, 0, 2, []byte{1, 0}}, AVP{m, o, 0, 9, []byte{1, 1}}), true, nil, 0, 2},
		{"RFC 4951 recovery with M", avps(SCCCN, AVP{m, o, 0, 77, make([]byte, 10)}), false, ErrAVPUnknown, ErrorUnknownAVP, 0},
		{"known with a strange M", avps(ICCN, id, rid, AVP{m, o, 0, AVPTxConnectSpeed, make([]byte, 8)}), true, nil, 0, 0},
		{"known where it does not belong", avps(HELLO, id), true, nil, 0, 1},
		{"twice", avps(ICCN, id, rid, rid), true, nil, 0, 1},
		{"wrong length without M", avps(ICCN, id, rid, AVP{o, o, 0, AVPRxConnectSpeed, make([]byte, 4)}), true, nil, 0, 1},
		{"wrong length with M", avps(ICCN, id, rid, AVP{m, o, 0, AVPRxConnectSpeed, make([]byte, 4)}), false, ErrAVPLength, ErrorLength, 0},
		{"window 0", avps(SCCRP, AVP{m, o, 0, AVPReceiveWindowSize, []byte{0, 0}}), false, ErrAVPValue, ErrorValue, 0},
		{"CCID 0", avps(SCCRP, AVP{m, o, 0, AVPAssignedCCID, make([]byte, 4)}), false, ErrAVPValue, ErrorValue, 0},
		{"cookie of 3", avps(ICRP, id, rid, AVP{m, o, 0, AVPAssignedCookie, make([]byte, 3)}), false, ErrAVPLength, ErrorLength, 0},
		{"odd capabilities", avps(SCCRP, AVP{m, o, 0, AVPPseudowireCapsList, make([]byte, 3)}), false, ErrAVPLength, ErrorLength, 0},
		{"counters of the figure", avps(WEN, id, rid, AVP{o, o, 0, AVPCircuitErrors, make([]byte, 18)}), true, nil, 0, 0},
		{"counters of 20", avps(WEN, id, rid, AVP{m, o, 0, AVPCircuitErrors, make([]byte, 20)}), false, ErrAVPLength, ErrorLength, 0},
		{"no session id", avps(ICRQ, rid), false, ErrMissingAVP, ErrorLength, 0},
		{"no circuit status", avps(ICRP, id, rid), false, nil, 0, 0},
		{"no circuit status, strict", avps(ICRP, id, rid), true, ErrMissingAVP, ErrorLength, 0},
		{"hidden without vector", avps(ICCN, id, rid, AVP{m, m, 0, AVPDataSequencing, make([]byte, 4)}), false, ErrAVPHidden, ErrorUnknownAVP, 0},
		{"empty vector", avps(HELLO, AVP{m, o, 0, AVPRandomVector, nil}), false, ErrAVPLength, ErrorLength, 0},
		{"hidden length too long", avps(ICCN, id, rid, AVP{m, o, 0, AVPRandomVector, []byte{1}}, AVP{m, m, 0, AVPDataSequencing, make([]byte, 4)}), false, ErrAVPHidden, ErrorUnknownAVP, 0},
		{"hidden of 1 byte, no M", avps(ICCN, id, rid, AVP{m, o, 0, AVPRandomVector, []byte{1}}, AVP{o, m, 0, AVPDataSequencing, []byte{1}}), true, nil, 0, 1},
	} {
		keys := DeriveKeys([]byte("x"))
		got, err := c.p.Decode(Decoder{Keys: &keys, Strict: c.strict})
		var ae *AVPError
		switch {
		case !errors.Is(err, c.err) || got.Ignored != c.ignored:
			t.Errorf("%s: %d ignored, error %v", c.name, got.Ignored, err)
		case err != nil && (!errors.As(err, &ae) || ae.code() != c.code):
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

func TestDecodeMessageType(t *testing.T) {
	for _, c := range []struct {
		in  string
		err error
	}{
		{"80080000000000ff", ErrUnknownMessage},
		{"00080000000000ff", nil},
		{"8008000000000005", ErrUnknownMessage}, // reserved
		{"8008000000010001", ErrMessageType},    // Result Code first
		{"8008000900000001", ErrMessageType},    // a vendor's
		{"c008000000000001", ErrMessageType},    // hidden
		{"800700000000" + "01", ErrMessageType},
		{"8005", ErrMessageType},
	} {
		raw := append(appendHeader(nil, Header{}), unhex(t, c.in)...)
		raw[3] = byte(len(raw))
		p, _, err := ParsePacket(encap.TransportUDP, raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Decode(Decoder{}); !errors.Is(err, c.err) {
			t.Errorf("%s: error %v", c.in, err)
		}
	}
}

func TestVendorHook(t *testing.T) {
	var got []string
	keys := DeriveKeys([]byte("x"))
	vector := []byte{1, 2}
	p := avps(HELLO,
		AVP{true, false, 9, 7, []byte("a")},
		AVP{true, false, 0, AVPRandomVector, vector},
		AVP{false, true, 0, AVPExtendedVendorID, Hide(nil, AVPExtendedVendorID, keys.hide, vector, []byte("\x00\x01\x00\x02\x00\x03b"), nil)},
	)
	m, err := p.Decode(Decoder{Keys: &keys, Vendor: func(mt MessageType, vendor uint32, a AVP) bool {
		got = append(got, fmt.Sprintf("%v %d %d %s", mt, vendor, a.Type, a.Value))
		return true
	}})
	if want := []string{"HELLO 9 7 a", "HELLO 65538 3 b"}; err != nil || m.Ignored != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %d ignored, error %v", got, m.Ignored, err)
	}
}

// naiveHide is RFC 3931 section 5.3 written down block by block; the key may have any length, as RFC 2661 has it.
func naiveHide(key []byte, t AVPType, vector, value, padding []byte) (out []byte) {
	sub := append(append([]byte{byte(len(value) >> 8), byte(len(value))}, value...), padding...)
	seed := append(append([]byte{byte(t >> 8), byte(t)}, key...), vector...)
	for len(sub) > 0 {
		pad := md5.Sum(seed)
		n := min(16, len(sub))
		var c []byte
		for i := range n {
			c = append(c, sub[i]^pad[i])
		}
		out, sub = append(out, c...), sub[n:]
		seed = append(bytes.Clone(key), c...)
	}
	return out
}

// TestHide compares Hide with the naive form for all lengths around the block's.
func TestHide(t *testing.T) {
	keys := DeriveKeys([]byte(goldenSecret))
	vector := []byte("vector")
	all := bytes.Repeat([]byte("0123456789abcdef!"), 4)
	for n := range 50 {
		for pad := range 18 {
			value, padding := all[:n], all[50:50+min(pad, 18)]
			got := Hide([]byte("x"), AVPRemoteEndID, keys.hide, vector, value, padding)[1:]
			if want := naiveHide(keys.hide[:], AVPRemoteEndID, vector, value, padding); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, padding %d: got %x, want %x", n, pad, got, want)
			}
			if back, err := Reveal(AVPRemoteEndID, keys.hide, vector, got); err != nil || !bytes.Equal(back, value) {
				t.Fatalf("%d bytes: revealed %x, error %v", n, back, err)
			}
		}
	}
}

func TestDeriveKeys(t *testing.T) {
	k := DeriveKeys([]byte(goldenSecret))
	if !bytes.Equal(k.auth[:], unhex(t, "b249337979bafc171ef82b177f35f01e")) || !bytes.Equal(k.hide[:], unhex(t, "2882ef02ffcb51266e67609f3e77c44a")) {
		t.Errorf("keys %x %x", k.auth, k.hide)
	}
	if k = DeriveKeys(nil); !bytes.Equal(k.auth[:], unhex(t, "7b6085fbf45933670abcb07a27fcea5e")) {
		t.Errorf("key of the empty secret %x", k.auth)
	}
}

// TestTwoSecrets: while one secret replaces another a message has two digests, and each end may know one or both.
func TestTwoSecrets(t *testing.T) {
	older, newer, other := DeriveKeys([]byte("old")), DeriveKeys([]byte("new")), DeriveKeys([]byte("?"))
	n := nonces{[]byte("s"), []byte("r")}
	m := NewMessage(HELLO)
	for _, types := range [][]DigestType{{DigestMD5, DigestMD5}, {DigestSHA1, DigestMD5}} {
		e := Encoder{Digests: types}
		raw := e.Append(nil, Header{CCID: 7}, &m)
		sign(raw, []*Keys{&newer, &older}, n)
		p, _, err := ParsePacket(encap.TransportUDP, raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			keys []Keys
			key  int // that verified; -1 none
		}{
			{"old", []Keys{older}, 0},
			{"new", []Keys{newer}, 0},
			{"both", []Keys{older, newer}, 1}, // the first digest counts
			{"neither", []Keys{other}, -1},
			{"none", nil, -1},
		} {
			v := verify(p, c.keys, n)
			if v.ok != (c.key >= 0) || !v.present || v.ok && v.key != c.key {
				t.Errorf("%s: %+v", c.name, v)
			}
		}
		if verify(p, []Keys{older}, nonces{n.receiver, n.sender}).ok {
			t.Error("verified with exchanged nonces: what one end sent could be sent back to it")
		}
	}
}

func TestResult(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Result
		text string
	}{
		{"0003", Result{Code: 3}, "control connection already exists"},
		{"000300", Result{Code: 3}, "control connection already exists"},
		{"00020008", Result{Code: 2, Error: 8}, "general error, unknown AVP with the M bit set"},
		{"00020007" + "1b5b41", Result{2, 7, "\x1b[A"}, `general error, try another: \x1b[A`},
		{"00050003", Result{Code: 5, Error: 3}, "protocol version not supported, highest version 3"},
		{"ffffffff", Result{Code: 0xffff, Error: 0xffff}, "result 65535, error 65535"},
	} {
		r, ok := parseResult(unhex(t, c.in))
		if !ok || r != c.want || r.Describe(StopCCN) != c.text {
			t.Errorf("%s: %+v %q", c.in, r, r.Describe(StopCCN))
		}
		if got := r.appendTo(nil); len(c.in)%4 == 0 && !bytes.Equal(got, unhex(t, c.in)) && c.in != "ffffffff" {
			t.Errorf("%s became %x", c.in, got)
		}
	}
	if _, ok := parseResult([]byte{1}); ok {
		t.Error("a result of 1 byte was taken")
	}
	if r := (Result{Text: "h\u00e4"}).clip(2); r.Text != "h" {
		t.Errorf("clipped to %q", r.Text)
	}
	if s := (Result{Code: CallPseudowireType}).Describe(CDN); s != "unsupported pseudowire type" {
		t.Error(s)
	}
}

func TestSeq(t *testing.T) {
	// RFC 3931 section 4.2: after 15, the numbers 0 to 15 and 32784 to 65535 are old
	for n := range 1 << 16 {
		if old := Seq(n).Before(16); old != (n <= 15 || n >= 32784) {
			t.Fatalf("%d: old %v", n, old)
		}
	}
}
