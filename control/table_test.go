package control

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// machineOf are the tables by the names of testdata/rfc3931-7.txt, with the states and events each knows.
var machineOf = map[string]struct {
	table  *table
	states []State
	events []event
}{
	"control connection": {
		table:  connTable,
		states: []State{Idle, WaitCtlReply, WaitCtlConn, Established},
		events: on([]event{evOpen, evClose, evStopCCN, evExhausted}, onSCCRQ, tieSCCRQ, onSCCRP, onSCCCN),
	},
	"ICRQ sender": {
		table:  callerTable,
		states: []State{Idle, WaitControlConn, WaitReply, Established},
		events: on([]event{evOpen, evConnOpen, evClose, evCDN}, onICRQ, onICRP, onICCN),
	},
	"ICRQ recipient": {
		table:  calleeTable,
		states: []State{Idle, WaitConnect, Established},
		events: on([]event{evClose, evCDN}, onICRQ, onICRP, onICCN),
	},
	"OCRQ sender": {
		table:  placerTable,
		states: []State{Idle, WaitControlConn, WaitReply, WaitConnect, Established},
		events: on([]event{evOpen, evConnOpen, evClose, evCDN, evOCCN}, onOCRQ, onOCRP),
	},
	"OCRQ recipient": {
		table:  placedTable,
		states: []State{Idle, WaitCSAnswer, Established},
		events: on([]event{evClose, evCDN, evOCCN, evCallUp, evCallFailed}, onOCRQ, onOCRP),
	},
}

var eventTexts = map[string][]event{
	"local open": {evOpen}, "local close": {evClose}, "control connection open": {evConnOpen},
	"SCCRQ acceptable": {evSCCRQPlus}, "SCCRQ not acceptable": {evSCCRQMinus}, "SCCRQ": onSCCRQ,
	"SCCRQ tie lost; acceptable": {evSCCRQLostPlus}, "SCCRQ tie lost; not acceptable": {evSCCRQLostMinus}, "SCCRQ tie won": {evSCCRQWon},
	"SCCRP acceptable": {evSCCRPPlus}, "SCCRP not acceptable": {evSCCRPMinus}, "SCCRP": onSCCRP,
	"SCCCN acceptable": {evSCCCNPlus}, "SCCCN not acceptable": {evSCCCNMinus}, "SCCCN": onSCCCN,
	"StopCCN": {evStopCCN}, "retransmissions exhausted": {evExhausted},
	"ICRQ acceptable": {evICRQPlus}, "ICRQ not acceptable": {evICRQMinus}, "ICRQ": onICRQ,
	"ICRQ tie lost": {evICRQLost}, "ICRQ tie won": {evICRQWon},
	"ICRP acceptable": {evICRPPlus}, "ICRP not acceptable": {evICRPMinus}, "ICRP": onICRP,
	"ICCN acceptable": {evICCNPlus}, "ICCN not acceptable": {evICCNMinus}, "ICCN": onICCN,
	"OCRQ acceptable": {evOCRQPlus}, "OCRQ not acceptable": {evOCRQMinus}, "OCRQ": onOCRQ,
	"OCRQ tie lost": {evOCRQLost}, "OCRQ tie won": {evOCRQWon},
	"OCRP acceptable": {evOCRPPlus}, "OCRP not acceptable": {evOCRPMinus}, "OCRP": onOCRP,
	"OCCN": {evOCCN}, "CDN": {evCDN}, "call up": {evCallUp}, "call failed": {evCallFailed},
}

var actionTexts = map[string]actions{
	"send SCCRQ": sendSCCRQ, "send SCCRP": sendSCCRP, "send SCCCN": sendSCCCN, "send StopCCN": sendStopCCN,
	"send ICRQ": sendICRQ, "send ICRP": sendICRP, "send ICCN": sendICCN,
	"send OCRQ": sendOCRQ, "send OCRP": sendOCRP, "send OCCN": sendOCCN, "send CDN": sendCDN,
	"clean up": clean, "tell waiting sessions": up, "established": up, "open control connection": openConn,
	"clean up losing connection": dropOwn, "drop own attempt": dropOwn, "continue as recipient": beRecipient,
	"refuse losing connection": refuse, "refuse losing session": refuse, "place call": placeCall,
}

// splitCell takes a cell apart at commas, but "tie lost, acceptable" is one event.
func splitCell(s string) (parts []string) {
	s = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(s), " [ours]"), "tie lost, ", "tie lost; ")
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// TestTablesAreTheRFCs compares the machines with the RFC's rows, both ways: every cell a row names is as it says, and
// no other cell does anything.
func TestTablesAreTheRFCs(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc3931-7.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*table{}
	name, lines := "", 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "== "); ok {
			name = title
			want[name] = new(table)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		cells := strings.Split(line, "|")
		from := State(slices.Index(stateNames[:], strings.TrimSpace(cells[0])))
		next := State(slices.Index(stateNames[:], strings.TrimSpace(cells[3])))
		var do actions
		for _, a := range splitCell(cells[2]) {
			if actionTexts[a] == 0 {
				t.Fatalf("unknown action %q", a)
			}
			do |= actionTexts[a]
		}
		for _, e := range splitCell(cells[1]) {
			events, ok := eventTexts[e]
			if !ok {
				t.Fatalf("unknown event %q", e)
			}
			for _, ev := range events {
				if want[name][ev][from].kind != unset {
					t.Fatalf("%s: %s in %v twice", name, e, from)
				}
				want[name][ev][from] = cell{do, next, legal}
			}
		}
	}
	if lines < 75 || len(want) != len(machineOf) {
		t.Fatalf("%d rows of %d machines", lines, len(want))
	}
	for name, m := range machineOf {
		for ev := range numEvents {
			for st := range numStates {
				have, printed := m.table[ev][st], want[name][ev][st]
				known := slices.Contains(m.states, State(st)) && slices.Contains(m.events, event(ev))
				switch {
				case printed.kind == legal && have != printed:
					t.Errorf("%s, event %d in %v: have %+v, want %+v", name, ev, State(st), have, printed)
				case printed.kind == unset && known && have.kind != impossible:
					t.Errorf("%s, event %d in %v: %+v is not in the RFC and not marked impossible", name, ev, State(st), have)
				case !known && have.kind != unset:
					t.Errorf("%s, event %d in %v: set, but no event or state of this machine", name, ev, State(st))
				}
			}
		}
	}
}

// TestTablesMakeSense looks for transitions that contradict themselves.
func TestTablesMakeSense(t *testing.T) {
	for name, m := range machineOf {
		for ev := range numEvents {
			for st, c := range m.table[ev] {
				from := State(st)
				switch {
				case c.kind != legal:
				case c.next == Established && from != Established && c.do&up == 0,
					c.do&up != 0 && c.next != Established,
					c.do&(sendStopCCN|sendCDN) != 0 && (c.do&clean == 0 || c.next != Idle),
					from != Idle && c.next == Idle && c.do&(clean|beRecipient) == 0:
					t.Errorf("%s: event %d in %v: %+v", name, ev, from, c)
				}
			}
		}
	}
}
