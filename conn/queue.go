package conn

// A queue is a first-in-first-out ring that grows by doubling and is given back
// when it is empty and large. The zero queue is ready.
type queue[T any] struct {
	ring []T // its length is a power of two, or zero
	head int
	n    int
}

// keepQueue is the largest empty ring that a queue holds on to, in entries.
const keepQueue = 64

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) push(v T) { *q.grow() = v }

// grow appends an entry, to be set by the caller.
func (q *queue[T]) grow() *T {
	if q.n == len(q.ring) {
		q.double()
	}
	q.n++
	return q.at(q.n - 1)
}

// double makes room for more.
func (q *queue[T]) double() {
	grown := make([]T, max(8, 2*q.n))
	for i := range q.n {
		grown[i] = *q.at(i)
	}
	q.ring, q.head = grown, 0
}

// at returns the i-th entry from the front.
func (q *queue[T]) at(i int) *T { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue[T]) pop() (v T, ok bool) {
	if q.n == 0 {
		return v, false
	}
	front := q.at(0)
	v = *front
	var none T
	*front = none // it may hold pointers
	q.drop(1)
	return v, true
}

// drop takes out the first n entries, of the len() that there are.
func (q *queue[T]) drop(n int) {
	if n == 0 {
		return
	}
	q.head = (q.head + n) & (len(q.ring) - 1)
	q.n -= n
	if q.n == 0 && len(q.ring) > keepQueue {
		q.ring, q.head = nil, 0
	}
}

// next takes out the front entry, or moves it to the end.
func (q *queue[T]) next(again bool) {
	if again && q.n == 1 {
		return // it is both
	}
	v, _ := q.pop()
	if again {
		q.push(v)
	}
}

// compact gives an empty ring back.
func (q *queue[T]) compact() {
	if q.n == 0 {
		q.ring, q.head = nil, 0
	}
}

func (q *queue[T]) clone() queue[T] {
	c := *q
	c.ring = append([]T(nil), q.ring...)
	return c
}
