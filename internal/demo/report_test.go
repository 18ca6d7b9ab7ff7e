package demo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func sample() *Result {
	return &Result{
		UpAfter: 300 * time.Millisecond,
		Pseudowires: []Row{{
			Name: "t1/s1", Pseudowire: "ppp", Transport: "udp", Cookie: 64, MTU: 1448,
			Ping4: echoStats{Sent: 20, Received: 20, Median: 90 * time.Microsecond},
			Ping6: echoStats{Sent: 20, Received: 18, Median: 95 * time.Microsecond},
			Up:    stream{Bytes: 250e6, Elapsed: 2 * time.Second},
			Down:  stream{Bytes: 125e6, Elapsed: 2 * time.Second}, Packets: 270000, Dropped: 3,
		}},
		Drops: []Drop{{Node: "lns", Reason: "cookie", Count: 3}},
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := sample().write(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"t1/s1 (ppp)", "64 bit", "90 us ", "95 us (2 of 20 lost)", "1000 Mbit/s", "500 Mbit/s", "270000",
		"lns dropped cookie: 3",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := sample().write(&out, true); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Pseudowires) != 1 || back.Pseudowires[0] != sample().Pseudowires[0] {
		t.Errorf("came back as %+v", back)
	}
}
