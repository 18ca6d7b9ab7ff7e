package top

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// tab is a view's content and how it is looked at.
type tab struct {
	items    []item  // in the order of their keys
	order    []int32 // those shown, in the order shown
	ranks    []rank  // for sorting, kept for its memory
	filter   string
	sort     int // column
	reverse  bool
	cursor   int // in order
	offset   int // of the first row on the screen
	at       time.Time
	took     time.Duration
	underway bool // a question
}

// rank is an item's place among others by a number. Sorting these takes a quarter of the time of sorting items.
type rank struct {
	value float64
	i     int32
}

// fill takes the items of a poll.
func (t *tab) fill(items []item, at time.Time, v view, spark func(*item) float32) {
	if !t.at.IsZero() {
		join(t.items, items, at.Sub(t.at), spark)
	}
	t.items, t.at = items, at
	t.arrange(v)
}

// arrange makes order anew, after items, filter or sorting have changed.
func (t *tab) arrange(v view) {
	t.order = t.order[:0]
	for i := range t.items {
		if t.wanted(&t.items[i]) {
			t.order = append(t.order, int32(i)) //nolint:gosec // far fewer than 2^31
		}
	}
	t.sortOrder(&columns[v][t.sort])
	if t.reverse {
		slices.Reverse(t.order)
	}
	t.move(0, 1)
}

// sortOrder sorts in the direction in which people want to see a column first: texts from A, numbers from the largest.
// Ties are in the order of keys, so that rows stay where they are; items are in that order already.
func (t *tab) sortOrder(by *column) {
	switch by.kind {
	case keyText:
	case text:
		slices.SortStableFunc(t.order, func(a, b int32) int {
			return cmp.Compare(t.items[a].text[by.slot], t.items[b].text[by.slot])
		})
	case level, rate, spark:
		t.ranks = t.ranks[:0]
		for _, i := range t.order {
			t.ranks = append(t.ranks, rank{by.value(&t.items[i]), i})
		}
		slices.SortFunc(t.ranks, func(a, b rank) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.i, b.i)) })
		for i := range t.ranks {
			t.order[i] = t.ranks[i].i
		}
	}
}

// wanted tells whether an item passes the filter: a part of its name, state or user.
func (t *tab) wanted(v *item) bool {
	if strings.Contains(v.key, t.filter) {
		return true
	}
	for _, s := range v.text {
		if strings.Contains(s, t.filter) {
			return true
		}
	}
	return false
}

// move moves the cursor by n rows and keeps it on the screen, of which rows are for the table.
func (t *tab) move(n, rows int) {
	t.cursor = max(0, min(t.cursor+n, len(t.order)-1))
	t.offset = max(0, min(t.offset, t.cursor, len(t.order)-1))
	if rows > 1 {
		t.offset = max(t.offset, t.cursor-rows+1)
		t.offset = min(t.offset, max(0, len(t.order)-rows))
	}
}

// selected is the item under the cursor.
func (t *tab) selected() *item {
	if t.cursor >= len(t.order) {
		return nil
	}
	return &t.items[t.order[t.cursor]]
}
