package top

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
)

// BenchmarkSessions is what the program does with 100,000 sessions: an answer taken, a letter of a filter, a screen.
func BenchmarkSessions(b *testing.B) {
	const n = 100_000
	items := func(second int) []item {
		all := make([]item, n)
		for i := range all {
			all[i] = item{key: fmt.Sprintf("t%d/s%06d", i/1000+100, i), text: [texts]string{"up", fmt.Sprintf("user%d", i)}}
			all[i].total[rxBytes] = float64(second * (i * 7919 % n))
		}
		return all
	}
	m := New(b.Context(), Source{}, Options{})
	m.view = sessions
	polls := [2][]item{items(1), items(2)}
	at := start
	take := func(i int) {
		at = at.Add(time.Second)
		m.Update(sessionsMsg{at: at, items: polls[i%2]})
	}
	take(0)
	take(1)
	b.Run("answer", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			take(i)
		}
	})
	b.Run("filter", func(b *testing.B) {
		for b.Loop() {
			m.setFilter("user9")
		}
	})
	m.setFilter("")
	b.Run("view", func(b *testing.B) {
		for b.Loop() {
			_ = m.View()
		}
	})
}

// crowd is a culvert with 100,000 sessions.
type crowd struct {
	mgmt.Source
	w world
}

func (c *crowd) Sessions() iter.Seq[client.Session] {
	return func(yield func(client.Session) bool) {
		for i := range c.w.sessions {
			if !yield(c.w.session(i)) {
				return
			}
		}
	}
}

// BenchmarkPoll asks for 100,000 sessions over the socket, server and client in this process.
func BenchmarkPoll(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s")
	ln, err := mgmt.Listen(path)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- mgmt.Serve(ctx, ln, &crowd{w: world{sessions: 100_000, second: 1000}}) }()
	m := New(ctx, Ask(client.New(path)), Options{})
	for b.Loop() {
		if msg, ok := m.askSessions(100_000)().(sessionsMsg); !ok || msg.err != nil || len(msg.items) != 100_000 {
			b.Fatal(msg.err)
		}
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
