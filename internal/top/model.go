// Package top is the live view of `culvert top`: which tunnels, sessions, workers and drop reasons are busy. Model is a
// bubbletea model: it draws what messages have told it and asks nobody but by commands, so tests need no terminal.
// Sessions, of which there may be 100,000, are asked for only while they are shown; of each only its counters and the
// recent past are kept, and only rows on the screen are drawn.
package top

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	_ "culvert/internal/top/quiet" // before bubbletea
)

// Options of a Model.
type Options struct {
	Title string // of the first line: who is watched
	ASCII bool   // sparklines for terminals without UTF-8
}

// Model is the program's state.
type Model struct {
	ctx           context.Context //nolint:containedctx // of the program, for its questions
	source        Source
	title, blocks string
	width, height int
	now           time.Time
	view          view
	tabs          [views]tab
	total         []item // of all workers: rx and tx, after the first answer
	totalAt       time.Time
	editing       bool
	edited        string // the filter before it was edited
	detail        *detail
	err           error
}

// New returns the model of a program that ends before ctx does.
func New(ctx context.Context, source Source, opts Options) *Model {
	m := &Model{ctx: ctx, source: source, title: opts.Title, blocks: unicodeBlocks, width: 80, height: 24}
	if opts.ASCII {
		m.blocks = asciiBlocks
	}
	for v := range m.tabs {
		m.tabs[v].sort = firstSort[v]
	}
	return m
}

// Init asks for the first values.
func (m *Model) Init() tea.Cmd {
	m.tabs[tunnels].underway = true
	return tea.Batch(m.askCounters, tick())
}

// Update takes a message: a key, the time, the size of the terminal, an answer.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return m, m.keys(msg)
	case tickMsg:
		m.now = time.Time(msg)
		return m, tea.Batch(append(m.due(), tick())...)
	case countersMsg:
		m.takeCounters(msg)
	case sessionsMsg:
		m.takeSessions(msg)
	case detailMsg:
		m.takeDetail(msg)
	}
	return m, nil
}

// due lists the questions whose time has come, one of a kind at a time.
func (m *Model) due() []tea.Cmd {
	var cmds []tea.Cmd
	if t := &m.tabs[tunnels]; !t.underway {
		t.underway = true
		cmds = append(cmds, m.askCounters)
	}
	if t := &m.tabs[sessions]; m.view == sessions && m.detail == nil && !t.underway && !m.now.Before(t.at.Add(sessionPause(t.took))) {
		t.underway = true
		cmds = append(cmds, m.askSessions(len(t.items)+len(t.items)/8))
	}
	if d := m.detail; d != nil && !d.underway {
		d.underway = true
		cmds = append(cmds, m.askDetail(d.name))
	}
	return cmds
}

func (m *Model) takeCounters(msg countersMsg) {
	m.tabs[tunnels].underway = false
	if m.err = msg.err; msg.err != nil {
		return
	}
	m.tabs[tunnels].fill(msg.tunnels, msg.at, tunnels, throughput)
	m.tabs[workers].fill(msg.workers, msg.at, workers, load)
	m.tabs[reasons].fill(msg.drop, msg.at, reasons, dropping)
	m.takeTotal(msg)
	m.tabs[m.view].move(0, m.rows())
}

// takeTotal sums up what workers did, in two items: one for each direction's sparkline.
func (m *Model) takeTotal(msg countersMsg) {
	var all item
	for i := range msg.workers {
		for c, v := range msg.workers[i].total {
			all.total[c] += v
		}
	}
	all.total[drops] = 0 // workers count those of packets only
	for i := range msg.drop {
		all.total[drops] += msg.drop[i].total[drops]
	}
	both := []item{all, all}
	both[0].key, both[1].key = "rx", "tx"
	if len(m.total) > 0 {
		join(m.total, both, msg.at.Sub(m.totalAt), oneWay)
	}
	m.total, m.totalAt = both, msg.at
}

func oneWay(v *item) float32 {
	if v.key == "rx" {
		return v.rate[rxBytes]
	}
	return v.rate[txBytes]
}

func (m *Model) takeSessions(msg sessionsMsg) {
	t := &m.tabs[sessions]
	t.underway, t.took = false, msg.took
	if msg.err != nil {
		m.err = msg.err
		return
	}
	t.fill(msg.items, msg.at, sessions, throughput)
	t.move(0, m.rows())
}

func (m *Model) takeDetail(msg detailMsg) {
	d := m.detail
	if d == nil || d.name != msg.name {
		return // another one is looked at by now
	}
	d.take(msg)
}
