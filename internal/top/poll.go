package top

import (
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"culvert/client"
)

// Source is who is asked: a running culvert, or a test.
type Source struct {
	Tunnels  func(context.Context) ([]client.Tunnel, error)
	Workers  func(context.Context) ([]client.Worker, error)
	Drops    func(context.Context) ([]client.Drop, error)
	Sessions func(context.Context, func(*client.Session)) error // one after the other
	Session  func(ctx context.Context, name string) (client.Session, error)
}

// Ask is the source behind a client.
func Ask(c *client.Client) Source {
	return Source{
		Tunnels: func(ctx context.Context) ([]client.Tunnel, error) { return c.Tunnels(ctx) },
		Workers: func(ctx context.Context) ([]client.Worker, error) { return c.Workers(ctx) },
		Drops:   func(ctx context.Context) ([]client.Drop, error) { return c.Drops(ctx) },
		Sessions: func(ctx context.Context, use func(*client.Session)) error {
			for s, err := range c.Sessions(ctx, client.Filter{}) {
				if err != nil {
					return err
				}
				use(&s)
			}
			return nil
		},
		Session: func(ctx context.Context, name string) (client.Session, error) {
			return c.Session(ctx, name)
		},
	}
}

// How often is asked. Sessions are asked for only while they are shown, and not again before pauseFactor times as long
// as the last answer took, so that watching many of them costs culvert a bounded share of a CPU.
const (
	interval        = time.Second
	sessionInterval = 2 * time.Second
	pauseFactor     = 4
	longestPause    = 20 * time.Second
)

// sessionPause is the time from an answer that took so long to the next question.
func sessionPause(took time.Duration) time.Duration {
	return min(max(sessionInterval, pauseFactor*took), longestPause)
}

// Messages of the program.
type (
	tickMsg     time.Time
	countersMsg struct {
		at                     time.Time
		tunnels, workers, drop []item
		err                    error
	}
	sessionsMsg struct {
		at    time.Time
		took  time.Duration
		items []item
		err   error
	}
	detailMsg struct {
		at      time.Time
		name    string
		session client.Session
		err     error
	}
)

func tick() tea.Cmd { return tea.Tick(interval, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// askCounters asks for all that is small.
func (m *Model) askCounters() tea.Msg {
	ts, err := m.source.Tunnels(m.ctx)
	if err != nil {
		return countersMsg{err: err}
	}
	ws, err := m.source.Workers(m.ctx)
	if err != nil {
		return countersMsg{err: err}
	}
	ds, err := m.source.Drops(m.ctx)
	if err != nil {
		return countersMsg{err: err}
	}
	msg := countersMsg{at: time.Now()}
	for i := range ts {
		msg.tunnels = append(msg.tunnels, tunnelItem(&ts[i]))
	}
	for i := range ws {
		msg.workers = append(msg.workers, workerItem(&ws[i]))
	}
	for i := range ds {
		msg.drop = append(msg.drop, dropItem(&ds[i]))
	}
	byKey(msg.tunnels)
	byKey(msg.workers)
	byKey(msg.drop)
	return msg
}

// askSessions asks for the sessions; expected is how many there were, for the memory.
func (m *Model) askSessions(expected int) tea.Cmd {
	return func() tea.Msg {
		start := time.Now()
		items := make([]item, 0, expected)
		states := make(map[string]string) // one copy of each
		err := m.source.Sessions(m.ctx, func(s *client.Session) {
			v := sessionItem(s)
			if one, ok := states[v.text[state]]; ok {
				v.text[state] = one
			} else {
				states[v.text[state]] = v.text[state]
			}
			items = append(items, v)
		})
		byKey(items)
		end := time.Now()
		return sessionsMsg{at: end, took: end.Sub(start), items: items, err: err}
	}
}

func (m *Model) askDetail(name string) tea.Cmd {
	return func() tea.Msg {
		s, err := m.source.Session(m.ctx, name)
		return detailMsg{at: time.Now(), name: name, session: s, err: err}
	}
}

func traffic(t *client.Traffic) [counters]float64 {
	return [counters]float64{
		rxBytes: float64(t.RxBytes), rxPackets: float64(t.RxPackets),
		txBytes: float64(t.TxBytes), txPackets: float64(t.TxPackets),
	}
}

func tunnelItem(t *client.Tunnel) item {
	return item{key: t.Name, text: [texts]string{state: t.State}, level: float64(t.Sessions), total: traffic(&t.Traffic)}
}

func workerItem(w *client.Worker) item {
	v := item{key: fmt.Sprintf("%3d", w.ID), level: float64(w.Sessions), total: traffic(&w.Traffic)}
	v.total[drops], v.total[rxCPU], v.total[txCPU] = float64(w.Dropped), w.RxCPU, w.TxCPU
	return v
}

func dropItem(d *client.Drop) item {
	return item{
		key: d.Reason, text: [texts]string{state: d.Help}, level: float64(d.Count),
		total: [counters]float64{drops: float64(d.Count)},
	}
}

func sessionItem(s *client.Session) item {
	v := item{key: s.FullName(), text: [texts]string{state: s.State}, total: traffic(&s.Traffic)}
	for _, n := range s.Drops {
		v.total[drops] += float64(n)
	}
	if s.PPP != nil {
		v.text[user] = s.PPP.PeerName
	}
	return v
}
