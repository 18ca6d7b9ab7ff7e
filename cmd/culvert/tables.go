package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"culvert/client"
)

// table collects rows of equal length and prints them aligned, two spaces between columns.
type table struct {
	w       *tabwriter.Writer
	repeats *steady // nil: it is printed once
}

func newTable(w io.Writer, columns ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if t.repeats, _ = w.(*steady); t.repeats != nil {
		t.repeats.widen(columns)
	}
	if len(columns) > 0 {
		fmt.Fprintln(t.w, strings.Join(columns, "\t"))
	}
	return t
}

func (t *table) row(values ...any) {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cell(v)
	}
	if t.repeats != nil {
		t.repeats.row(cells)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() error { return t.w.Flush() }

func tunnelTable(w io.Writer, ts []client.Tunnel) error {
	t := newTable(w, "TUNNEL", "ENCAP", "LOCAL", "PEER", "TID", "PTID", "STATE", "PATH-MTU", "SESSIONS",
		"RX-PKTS", "RX-BYTES", "TX-PKTS", "TX-BYTES")
	for i := range ts {
		v := &ts[i]
		t.row(v.Name, v.Transport, v.Local, v.Peer, v.TID, v.PTID, v.State, v.PathMTU, v.Sessions,
			count(v.RxPackets), size(v.RxBytes), count(v.TxPackets), size(v.TxBytes))
	}
	return t.flush()
}

func sessionTable(w io.Writer, ss []client.Session) error {
	t := newTable(w, "SESSION", "TYPE", "INTERFACE", "SID", "PSID", "WORKER", "STATE", "MTU",
		"RX-PKTS", "RX-BYTES", "TX-PKTS", "TX-BYTES", "DROPS")
	for i := range ss {
		v := &ss[i]
		drops := uint64(0)
		for _, n := range v.Drops {
			drops += n
		}
		t.row(v.FullName(), v.Pseudowire, v.Interface, v.SID, v.PSID, v.Worker, v.State, v.MTU,
			count(v.RxPackets), size(v.RxBytes), count(v.TxPackets), size(v.TxBytes), count(drops))
	}
	return t.flush()
}

func workerTable(w io.Writer, ws []client.Worker) error {
	t := newTable(w, "WORKER", "SESSIONS", "RX-PKTS", "RX-BYTES", "RX-BATCHES", "TX-PKTS", "TX-BYTES", "TX-BATCHES",
		"RX-CPU", "TX-CPU", "PUNTED", "INJECTED", "DROPPED", "OFFLOADS")
	for i := range ws {
		v := &ws[i]
		t.row(v.ID, v.Sessions, count(v.RxPackets), size(v.RxBytes), count(v.RxBatches), count(v.TxPackets),
			size(v.TxBytes), count(v.TxBatches), seconds(v.RxCPU), seconds(v.TxCPU), count(v.Punted), count(v.Injected),
			count(v.Dropped), strings.Join(v.Offloads, ","))
	}
	return t.flush()
}

func seconds(s float64) string { return fmt.Sprintf("%.1fs", s) }

func dropTable(w io.Writer, ds []client.Drop) error {
	t := newTable(w, "REASON", "COUNT", "MEANING")
	for i := range ds {
		t.row(ds[i].Reason, count(ds[i].Count), ds[i].Help)
	}
	return t.flush()
}

func poolTable(w io.Writer, ps []client.Pool) error {
	t := newTable(w, "POOL", "KIND", "LENGTH", "SIZE", "USED", "FREE", "EXHAUSTED")
	for i := range ps {
		v := &ps[i]
		t.row(v.Name, v.Kind, v.PrefixLength, count(v.Size), count(v.Used), count(v.Free), count(v.Exhausted))
	}
	return t.flush()
}

func sharedTable(w io.Writer, all []client.Shared) error {
	t := newTable(w, "SHARED", "TYPE", "INTERFACE", "STATE", "MTU", "SESSIONS", "DESTINATIONS", "REFUSED", "MOVED", "FLOODED", "DROPPED")
	for i := range all {
		v := &all[i]
		state, dropped := "up", uint64(0)
		if v.Lost {
			state = "lost"
		}
		for _, n := range v.Drops {
			dropped += n
		}
		t.row(v.Name, v.Pseudowire, v.Interface, state, v.MTU, count(uint64(v.Sessions)), count(uint64(v.Destinations)+v.MACs),
			count(v.Refused+v.MACsRefused), count(v.MACsMoved), count(v.Flooded), count(dropped))
	}
	return t.flush()
}

func macTable(w io.Writer, all []client.MAC) error {
	t := newTable(w, "ADDRESS", "VLAN", "SESSION", "IDLE")
	for i := range all {
		v := &all[i]
		where := v.Session
		if where == "" {
			where = "(device)"
		}
		t.row(v.Address, v.VLAN, where, seconds(v.Idle))
	}
	return t.flush()
}

func profileTable(w io.Writer, all []client.Profile) error {
	t := newTable(w, "KIND", "PROFILE", "SESSIONS", "UP")
	for _, p := range all {
		t.row(p.Kind, p.Name, count(uint64(p.Sessions)), count(uint64(p.Up)))
	}
	return t.flush()
}

// configText prints a configuration.
func configText(w io.Writer, c client.Config) error {
	_, err := fmt.Fprintf(w, "# %s\n", printable(c.File))
	for line := range strings.Lines(c.Text) {
		if err == nil {
			_, err = fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return err
}

// sessionDetail prints one session as lines of name and value; counters are exact here.
func sessionDetail(w io.Writer, s client.Session) error {
	t := newTable(w)
	t.row("Session", s.FullName())
	t.row("Type", s.Pseudowire)
	t.row("State", s.State)
	if s.Reason != "" {
		t.row("Ended", s.Reason)
	}
	t.row("Interface", s.Interface)
	t.row("MTU", s.MTU)
	t.row("Session ID", fmt.Sprintf("%d, peer's %d", s.SID, s.PSID))
	t.row("Worker", s.Worker)
	t.row("Offloads", strings.Join(s.Offloads, ","))
	t.row("Received", fmt.Sprintf("%d packets, %d bytes", s.RxPackets, s.RxBytes))
	t.row("Sent", fmt.Sprintf("%d packets, %d bytes", s.TxPackets, s.TxBytes))
	if s.MACs > 0 || s.MACsRefused > 0 {
		t.row("Addresses", fmt.Sprintf("%d, %d times one was not learnt", s.MACs, s.MACsRefused))
	}
	label := "Drops"
	for _, reason := range slices.Sorted(maps.Keys(s.Drops)) {
		fmt.Fprintf(t.w, "%s\t%d %s\n", label, s.Drops[reason], cell(reason))
		label = ""
	}
	if len(s.Drops) == 0 {
		t.row(label, "")
	}
	if s.PPP != nil {
		pppDetail(t, s.PPP)
	}
	if s.Link != nil {
		linkDetail(t, s.Link)
	}
	return t.flush()
}

// tunnelDetail prints one tunnel as lines of name and value; counters are exact here.
func tunnelDetail(w io.Writer, v client.Tunnel) error {
	t := newTable(w)
	t.row("Tunnel", v.Name)
	t.row("State", v.State)
	t.row("Transport", v.Transport)
	t.row("Addresses", pair(v.Local, v.Peer))
	t.row("Connection ID", fmt.Sprintf("%d, peer's %d", v.TID, v.PTID))
	t.row("Path MTU", v.PathMTU)
	t.row("Sessions", v.Sessions)
	t.row("Received", fmt.Sprintf("%d packets, %d bytes", v.RxPackets, v.RxBytes))
	t.row("Sent", fmt.Sprintf("%d packets, %d bytes", v.TxPackets, v.TxBytes))
	if c := v.Control; c != nil {
		t.row("Role", c.Role)
		t.row("Peer's name", c.HostName)
		t.row("Peer's vendor", c.VendorName)
		t.row("Peer's router ID", c.RouterID)
		t.row("Next messages", fmt.Sprintf("Ns %d, Nr %d", c.Ns, c.Nr))
		t.row("Window", fmt.Sprintf("%d of %d, %d in flight", c.CongestionWindow, c.Window, c.InFlight))
		t.row("Round trip", fmt.Sprintf("%.3f ms", c.RTT))
		t.row("Messages sent", fmt.Sprintf("%d, %d again", c.Sent, c.Retransmissions))
		t.row("Messages received", fmt.Sprintf("%d, %d again", c.Received, c.Duplicates))
		t.row("In preparation", fmt.Sprintf("%d sessions, %d wait", c.Settling, c.Waiting))
		t.row("Silence", fmt.Sprintf("%.1f s", c.Silence))
		t.row("Last ended", c.Reason)
	}
	return t.flush()
}

func linkDetail(t *table, l *client.Link) {
	t.row("Phase", l.Phase)
	t.row("Connected", time.Duration(l.Seconds)*time.Second)
	t.row("Failed attempts", l.Failures)
	t.row("LCP options", strings.Join(l.LocalOptions, ", "))
	t.row("Peer's options", strings.Join(l.PeerOptions, ", "))
	t.row("Scripts refused", l.ScriptsRefused)
	t.row("Data", fmt.Sprintf("%d packets received, %d sent", l.RxDataPackets, l.TxDataPackets))
	if e := l.Echo; e != nil {
		t.row("Echo", fmt.Sprintf("%d sent, %d lost; ms: last %.3f  min %.3f  mean %.3f  max %.3f",
			e.Sent, e.Lost, e.RTTLast, e.RTTMin, e.RTTMean, e.RTTMax))
		t.row("Echoes", echoes(e.Recent))
	}
	for i, name := range slices.Sorted(maps.Keys(l.Counters)) {
		label := ""
		if i == 0 {
			label = "Counters"
		}
		fmt.Fprintf(t.w, "%s\t%d %s\n", label, l.Counters[name], cell(name))
	}
}

// echoes prints round-trip times in ms, the newest first.
func echoes(recent []float64) string {
	all := make([]string, len(recent))
	for i, ms := range recent {
		if all[i] = fmt.Sprintf("%.3f", ms); ms < 0 {
			all[i] = "lost"
		}
	}
	return strings.Join(all, " ")
}

func pppDetail(t *table, p *client.PPP) {
	t.row("LCP", p.LCP)
	t.row("IPCP", p.IPCP)
	t.row("IPv6CP", p.IPv6CP)
	t.row("MRU", fmt.Sprintf("%d, peer's %d", p.LocalMRU, p.PeerMRU))
	t.row("PPP framing", p.Framing)
	t.row("Address", pair(p.LocalAddress, p.PeerAddress))
	t.row("IPv6 address", pair(p.LocalID, p.PeerID))
	t.row("DNS", strings.Join(p.DNS, ", "))
	t.row("Authenticated", identities(p))
	t.row("Prefix", p.Prefix)
	t.row("Delegated", p.Delegated)
	t.row("Last ended", p.Reason)
	t.row("IPv4 ended", p.IPCPReason)
	t.row("IPv6 ended", p.IPv6CPReason)
}

// pair prints a local and a peer's value, nothing when neither is known.
func pair(local, peer string) string {
	if local == "" && peer == "" {
		return ""
	}
	return cell(local) + ", peer's " + cell(peer)
}

// identities prints who has proven himself to whom.
func identities(p *client.PPP) string {
	var both []string
	if p.LocalAuth != "" {
		both = append(both, fmt.Sprintf("we as %s (%s)", cell(p.LocalName), p.LocalAuth))
	}
	if p.PeerAuth != "" {
		both = append(both, fmt.Sprintf("peer as %s (%s)", cell(p.PeerName), p.PeerAuth))
	}
	return strings.Join(both, ", ")
}
