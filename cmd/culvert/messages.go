package main

import (
	"fmt"
	"io"
	"strings"

	"culvert/client"
)

// messageList prints control messages: a line each, and one for each of their AVPs.
func messageList(w io.Writer, ms []client.Message) error {
	for i := range ms {
		m := &ms[i]
		way := "from"
		if m.Direction == "sent" {
			way = "to"
		}
		fmt.Fprintf(w, "%s %s %s %s, Ns %d Nr %d, connection %d", cell(m.Time), cell(m.Type), way, cell(m.Peer), m.Ns, m.Nr, m.CCID)
		if m.LocalSession != 0 || m.RemoteSession != 0 {
			fmt.Fprintf(w, ", session %d, peer's %d", m.LocalSession, m.RemoteSession)
		}
		fmt.Fprintln(w)
		for _, a := range m.AVPs {
			var notes []string
			if a.Mandatory {
				notes = append(notes, "M")
			}
			if a.Hidden {
				notes = append(notes, "H")
			}
			fmt.Fprintf(w, "    %-2s %s: %s\n", strings.Join(notes, ""), cell(a.Name), cell(a.Value))
		}
		if m.Problem != "" {
			fmt.Fprintf(w, "    !  %s\n", cell(m.Problem))
		}
	}
	if len(ms) == 0 {
		fmt.Fprintln(w, "no messages yet")
	}
	return nil
}
