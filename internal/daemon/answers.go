package daemon

import "sync"

// answers brings answers from any goroutine to the control loop. Whoever asks sees to it that they are few.
type answers[T any] struct {
	mu   sync.Mutex
	all  []T
	wake chan struct{} // has something when answers have come
}

func newAnswers[T any]() *answers[T] { return &answers[T]{wake: make(chan struct{}, 1)} }

// put never blocks.
func (q *answers[T]) put(v T) {
	q.mu.Lock()
	q.all = append(q.all, v)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives all that have come.
func (q *answers[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.all
	q.all = nil
	return all
}
