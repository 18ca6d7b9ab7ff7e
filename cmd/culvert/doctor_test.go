package main

import (
	"encoding/json"
	"strings"
	"testing"

	"culvert/internal/doctor"
)

var findings = []doctor.Finding{
	{Check: "tun", Level: doctor.Good, Found: "/dev/net/tun can be opened"},
	{Check: "descriptors", Level: doctor.Limit, From: 19901, Found: "at most 20000 open files", Remedy: "LimitNOFILE="},
	{Check: "listeners", Level: doctor.Limit, From: 1000, Found: "evil\x1b[2J is told", Remedy: "netns"},
}

func TestReport(t *testing.T) {
	var out strings.Builder
	err := report(&out, findings, 20000, false)
	if err == nil || err.Error() != "2 things in the way of 20000 sessions" {
		t.Errorf("error %v", err)
	}
	const want = `CHECK        RESULT  FROM   FOUND
tun          good    -      /dev/net/tun can be opened
descriptors  limit   19.9k  at most 20000 open files
listeners    limit   1000   evil\x1b[2J is told

What to do:
  descriptors: LimitNOFILE=
  listeners: netns
`
	if out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
	if err := report(&out, findings, 999, false); err != nil {
		t.Errorf("below every limit: %v", err)
	}
}

func TestReportJSON(t *testing.T) {
	var out strings.Builder
	if err := report(&out, findings, 1, true); err != nil {
		t.Fatal(err)
	}
	var got []doctor.Finding
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got) != len(findings) || got[1] != findings[1] {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestDoctor(t *testing.T) {
	for _, tt := range []struct {
		args string
		want int
	}{
		{"doctor --sessions 0", exitUsage}, {"doctor --sessions x", exitUsage}, {"doctor now then", exitUsage},
	} {
		if r := culvert(strings.Fields(tt.args)...); r.status != tt.want {
			t.Errorf("%s: status %d, %s", tt.args, r.status, r.stderr)
		}
	}
	out := culvert("doctor").stdout // whether it succeeds is the host's affair
	for _, check := range []string{"tun", "descriptors", "memory", "neighbours"} {
		if !strings.Contains(out, "\n"+check+" ") {
			t.Errorf("%s is not looked at:\n%s", check, out)
		}
	}
}

// TestDoctorTunnel: findings as text and JSON, and a status that says whether anything is bad.
func TestDoctorTunnel(t *testing.T) {
	socket := serve(t, source{})
	r := culvert("doctor", "--socket", socket, "--wait", "1s", "t1")
	want := "good  path_mtu: 1500 bytes\n      evidence: 1s\nbad   cookie of t1/s1: another\\x1b one\n      evidence: 3 packets\n      do: change it\n"
	if r.status != exitFailure || r.stdout != want || r.stderr != "culvert: 1 thing wrong\n" {
		t.Errorf("%+v", r)
	}
	if r = culvert("doctor", "--socket", socket, "--tunnel", "t2", "--json"); r.status != exitOK || !strings.Contains(r.stdout, `"check": "traffic"`) {
		t.Errorf("%+v", r)
	}
	wantFailure(t, culvert("doctor", "--socket", socket, "t3"), exitFailure, `culvert: no tunnel "t3"`)
	for _, args := range [][]string{{"a", "b"}, {"a", "--tunnel", "b"}} {
		if r := culvert(append([]string{"doctor"}, args...)...); r.status != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := culvert("doctor", "--socket", socket, "--wait", "1h", "t1"); r.status != exitFailure || !strings.Contains(r.stderr, "wait must be a time up to 30s") {
		t.Errorf("%+v", r)
	}
}
