package doctor

import "fmt"

// Level says how bad a Finding is.
type Level string

// Levels.
const (
	Good  Level = "good"
	Note  Level = "note"  // works, but may not be meant so
	Limit Level = "limit" // hurts from Finding.From sessions on
	Bad   Level = "bad"   // hurts at once
)

// Finding is what one check has found.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`            // how it is
	From   int64  `json:"from,omitempty"`   // of a Limit: the number of sessions, 1 or more
	Remedy string `json:"remedy,omitempty"` // what to do; empty where nothing is to be done
}

// Hurts tells whether it stands in the way of as many sessions.
func (f *Finding) Hurts(sessions int64) bool {
	return f.Level == Bad || f.Level == Limit && f.From <= sessions
}

func good(format string, args ...any) Finding {
	return Finding{Level: Good, Found: fmt.Sprintf(format, args...)}
}

func note(remedy, format string, args ...any) Finding {
	return Finding{Level: Note, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

func bad(remedy, format string, args ...any) Finding {
	return Finding{Level: Bad, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

func limit(from int64, remedy, format string, args ...any) Finding {
	return Finding{Level: Limit, From: max(from, 1), Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

// check looks at one thing. It returns nothing where the host does not have what could be wrong.
type check struct {
	name string
	look func(h *Host) []Finding
}

// checks in the order in which they are shown.
var checks = []check{
	{"kernel", kernel},
	{"capabilities", capabilities},
	{"tun", tun},
	{"namespaces", namespaces},
	{"descriptors", descriptors},
	{"memory", memory},
	{"buffers", buffers},
	{"forwarding", forwarding},
	{"rp_filter", reversePath},
	{"conntrack", conntrack},
	{"neighbours", neighbours},
	{"routes", routes},
	{"listeners", listeners},
}

// Look examines the host.
func Look(h Host) []Finding {
	var all []Finding
	for _, c := range checks {
		for _, f := range c.look(&h) {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}
