package pppfsm

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// rowNames are the RFC's names of the events, in the order of the table.
var rowNames = [numEvents]string{
	"Up", "Down", "Open", "Close", "TO+", "TO-", "RCR+", "RCR-", "RCA", "RCN",
	"RTR", "RTA", "RUC", "RXJ+", "RXJ-", "RXR",
}

var actionNames = map[string]actions{
	"tld": tld, "irc": irc, "zrc": zrc, "scr": scr, "sca": sca, "scn": scn,
	"str": str, "sta": sta, "scj": scj, "ser": ser, "tls": tls, "tlf": tlf, "tlu": tlu,
}

// parseCell reads one printed cell: "-", "5r" or "irc,scr,sca/8".
func parseCell(t *testing.T, s string) cell {
	t.Helper()
	if s == "-" {
		return cell{kind: illegal}
	}
	c := cell{kind: legal}
	do, next, found := strings.Cut(s, "/")
	if !found {
		do, next = "", s
	}
	if k := len(next) - 1; next[k] > '9' {
		c.note, next = footnote(next[k]), next[:k]
	}
	n, err := strconv.Atoi(next)
	if err != nil || n >= numStates {
		t.Fatalf("cell %q: bad state", s)
	}
	c.next = State(n)
	for _, name := range strings.FieldsFunc(do, func(r rune) bool { return r == ',' }) {
		a, ok := actionNames[name]
		if !ok {
			t.Fatalf("cell %q: unknown action %q", s, name)
		}
		c.do |= a
	}
	return c
}

// TestTableIsTheRFCs compares every cell with the printed table of
// RFC 1661 §4.1, which comes in two parts: states 0 to 5 and 6 to 9.
func TestTableIsTheRFCs(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc1661-4.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]event{}
	for i, n := range rowNames {
		events[n] = event(i)
	}
	var states []int
	seen := 0
	for _, line := range strings.Split(string(text), "\n") {
		label, rest, ok := strings.Cut(line, "|")
		if label = strings.TrimSpace(label); !ok || label == "Events" {
			continue
		}
		cells := strings.Fields(rest)
		if label == "" { // the line of state numbers, or a spacer
			if len(cells) > 1 {
				states = states[:0]
				for _, c := range cells {
					n, err := strconv.Atoi(c)
					if err != nil {
						t.Fatal(err)
					}
					states = append(states, n)
				}
			}
			continue
		}
		ev, ok := events[label]
		if !ok || len(cells) != len(states) {
			t.Fatalf("line %q: unknown event, or %d cells for %d states", line, len(cells), len(states))
		}
		for i, c := range cells {
			seen++
			if want, got := parseCell(t, c), table[ev][states[i]]; got != want {
				t.Errorf("%s in %v: have %+v, the RFC prints %q", label, State(states[i]), got, c)
			}
		}
	}
	if seen != numEvents*numStates {
		t.Errorf("compared %d cells, want 160", seen)
	}
}

// TestTableIsComplete looks for cells nobody filled in and for transitions
// that contradict themselves.
func TestTableIsComplete(t *testing.T) {
	for ev := range table {
		for st, c := range table[ev] {
			where := rowNames[ev] + " in " + State(st).String()
			switch {
			case c.kind == unset:
				t.Errorf("%s is unset", where)
			case c.kind == illegal && c != none:
				t.Errorf("%s is illegal but does something", where)
			case c.do&tlu != 0 && c.next != Opened:
				t.Errorf("%s: tlu without reaching Opened", where)
			case c.do&tld != 0 && (State(st) != Opened || c.next == Opened):
				t.Errorf("%s: tld without leaving Opened", where)
			case c.kind == legal && c.next == Opened && State(st) != Opened && c.do&tlu == 0:
				t.Errorf("%s: reaches Opened without tlu", where)
			case c.kind == legal && State(st) == Opened && c.next != Opened && c.do&tld == 0:
				t.Errorf("%s: leaves Opened without tld", where)
			case c.kind == legal && c.next.timed() && !State(st).timed() && c.do&(scr|str|zrc) == 0 && c.note != restart:
				t.Errorf("%s: enters a timed state without starting the timer", where)
			}
		}
	}
}
