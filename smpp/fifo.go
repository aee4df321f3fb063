package smpp

import "sync"

// fifo is a queue from one goroutine to another that takes as much memory as is in it, about: a window may be wide, and
// most sessions use little of it. How much is put in is bounded elsewhere.
type fifo[T any] struct {
	more chan struct{} // has a token after something was put in, or at the end; one goroutine waits

	mu    sync.Mutex
	items []T // from head on
	head  int
	ended bool
}

// fifoKept is for how many items an empty fifo keeps the room that it once had.
const fifoKept = 256

func newFIFO[T any]() *fifo[T] { return &fifo[T]{more: make(chan struct{}, 1)} }

func (q *fifo[T]) put(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 { // moving them costs less than what was taken since
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
	q.tell()
}

// take gives what was put in first, without waiting.
func (q *fifo[T]) take() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return item, false
	}
	var none T
	item, q.items[q.head] = q.items[q.head], none
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > fifoKept {
			q.items = nil
		}
	}
	return item, true
}

func (q *fifo[T]) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head
}

// end says that nothing more is put in.
func (q *fifo[T]) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.tell()
}

// over tells that nothing is in it, and nothing will be.
func (q *fifo[T]) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended && q.head == len(q.items)
}

func (q *fifo[T]) tell() {
	select {
	case q.more <- struct{}{}:
	default: // it is told already
	}
}
