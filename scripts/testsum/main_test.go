package main

import (
	"strings"
	"testing"
)

const (
	start  = `{"Action":"start","Package":"p"}` + "\n"
	passed = `{"Action":"run","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
	end    = `{"Action":"pass","Package":"p","Elapsed":0.5}` + "\n"
)

func TestSummary(t *testing.T) {
	tests := []struct {
		name, in string
		noSkip   bool
		ok       bool
		want     string // part of the output
	}{
		{name: "passed", in: start + passed + end, ok: true, want: "1 passed, 0 failed, 0 skipped in 1 packages"},
		{
			name: "failed test shows what it wrote", want: "the reason",
			in: start + `{"Action":"output","Package":"p","Test":"TestB","Output":"the reason\n"}` + "\n" +
				`{"Action":"fail","Package":"p","Test":"TestB"}` + "\n" + `{"Action":"fail","Package":"p"}`,
		},
		{
			name: "failed package without a failed test", want: "panic: boom",
			in: start + passed + `{"Action":"output","Package":"p","Output":"panic: boom\n"}` + "\n" +
				`{"Action":"fail","Package":"p"}`,
		},
		{name: "failed build", in: `{"Action":"build-fail","ImportPath":"p"}` + "\n" + start + passed + end, want: "1 failed builds"},
		{name: "stream ended early", in: start + passed, want: "p did not end"},
		{name: "nothing ran", in: "", want: "no test ran"},
		{name: "no test files", in: start + `{"Action":"skip","Package":"p"}`, want: "no test ran"},
		{
			name: "skip allowed", ok: true, want: "SKIP  p TestC",
			in: start + passed + `{"Action":"skip","Package":"p","Test":"TestC"}` + "\n" + end,
		},
		{
			name: "skip forbidden", noSkip: true, want: "skips are not allowed",
			in: start + passed + `{"Action":"skip","Package":"p","Test":"TestC"}` + "\n" + end,
		},
		{name: "words of the go tool", in: "go: no such tool\n" + start + passed + end, ok: true, want: "no such tool"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out, false)
			if err := s.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			text, ok := s.finish(tt.noSkip)
			if ok != tt.ok {
				t.Errorf("ok = %v, want %v (%s)", ok, tt.ok, text)
			}
			if got := out.String() + text; !strings.Contains(got, tt.want) {
				t.Errorf("output lacks %q:\n%s", tt.want, got)
			}
		})
	}
}
