package smpp

import (
	"context"
	"errors"
)

// answer is what goes out for one request, or what it will come from: exactly one of body, submission, multi, query, cancel
// and replace.
type answer struct {
	sequence   uint32
	status     Status
	body       Body
	submission Submission
	data       bool // the submission is that of a data_sm
	multi      MultiSubmission
	query      *QuerySM
	cancel     *CancelSM
	replace    *ReplaceSM

	bound chan struct{} // of a bind that succeeded: closed when the Handler knows
}

// done is closed when the answer can be made; nil if it can be at any time.
func (a *answer) done() <-chan struct{} {
	switch {
	case a.submission != nil:
		return a.submission.Done()
	case a.multi != nil:
		return a.multi.Done()
	}
	return nil
}

// refuse is the request's own response with an error, and the octets that clients can read. Its command must have one.
func refuse(p PDU, status Status) answer {
	if req, ok := p.Body.(*QuerySM); ok {
		return answer{sequence: p.Sequence, status: status, body: refusedQuery(req)}
	}
	return answer{sequence: p.Sequence, status: status, body: newBody(p.Body.CommandID().Response())}
}

// refusedQuery is a whole body: without one half of the clients lose the answer or the session.
func refusedQuery(req *QuerySM) *QuerySMResp {
	return &QuerySMResp{MessageID: req.MessageID, MessageState: StateUnknown}
}

// burst is how many octets of answers are collected at most before they are written.
const burst = 16 << 10

// responding is the responder of a session: it writes answers in the order of the queue. As long as the next answer is
// ready it goes on collecting, and writes what it has before it waits: one write for a burst, and no answer is held back
// by one that is not ready.
type responding struct {
	*Session
	out     []byte
	submits SubmitSMResp    // the one body that is used again and again
	stop    <-chan struct{} // closed by Close; nil once that has been seen
	ending  bool            // it has been seen, and unbind is not out yet
	owed    int             // answers that go before it
	open    bool            // the bind response is out
}

// run ends when the queue does, or with ctx, which the end of the connection ends.
func (r *responding) run(ctx context.Context) {
	for {
		a, ok := r.nextAnswer(ctx)
		if !ok {
			r.flush()
			return
		}
		if !r.ready(ctx, a) {
			return
		}
		if p := r.complete(ctx, a); p.Body != nil {
			r.append(p)
		}
		c, _ := r.charges.take() // it was put in before the answer
		r.discharge(c)
		r.window.leave()
		if a.bound != nil {
			r.flush()
			r.letIn(ctx, a)
		}
		if len(r.out) >= burst {
			r.flush()
		}
	}
}

// nextAnswer takes the next answer from the queue, flushes before it waits, and unbinds when Close asks for it, behind the
// answers that are owed by then: many clients go at once when they see an unbind. False: there are no more.
func (r *responding) nextAnswer(ctx context.Context) (answer, bool) {
	for {
		if r.stop != nil && isClosed(r.stop) {
			r.stop, r.ending, r.owed = nil, true, r.queue.length()
		}
		if r.ending && r.owed <= 0 {
			r.ending = false
			r.unbind()
		}
		r.owed--
		if a, ok := r.queue.take(); ok {
			return a, true
		}
		if r.queue.over() {
			return answer{}, false
		}
		r.flush()
		select {
		case <-r.queue.more: // or was there a moment ago
		case <-r.stop: // looked at above
		case <-ctx.Done():
			return answer{}, false
		}
	}
}

// ready waits until a can be made. False: the connection has ended.
func (r *responding) ready(ctx context.Context, a answer) bool {
	if a.cancel != nil || a.replace != nil {
		r.flush()
	}
	done := a.done()
	if done == nil || isClosed(done) {
		return ctx.Err() == nil
	}
	r.flush()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// complete makes the response of an answer that is ready; without a Body there is none (ErrNoAnswer).
func (r *responding) complete(ctx context.Context, a answer) PDU {
	p := PDU{Status: a.status, Sequence: a.sequence, Body: a.body}
	var err error
	switch {
	case a.submission != nil:
		var id string
		if id, err = a.submission.Result(); err != nil {
			id = ""
		}
		if r.submits.MessageID = id; a.data {
			p.Body = &DataSMResp{MessageID: id}
		} else {
			p.Body = &r.submits
		}
	case a.multi != nil:
		var resp *SubmitMultiResp
		if resp, err = a.multi.Result(); resp == nil {
			resp = &SubmitMultiResp{}
		}
		p.Body = resp
	case a.query != nil:
		var resp *QuerySMResp
		if resp, err = r.handler.Query(ctx, a.query); err != nil {
			resp = refusedQuery(a.query)
		}
		p.Body = resp
	case a.cancel != nil:
		p.Body = &CancelSMResp{}
		err = r.handler.Cancel(ctx, a.cancel)
	case a.replace != nil:
		p.Body = &ReplaceSMResp{}
		err = r.handler.Replace(ctx, a.replace)
	}
	switch {
	case errors.Is(err, ErrNoAnswer):
		p.Body = nil
	case err != nil:
		p.Status = r.statusOf(ctx, err)
	}
	return p
}

// append puts a response with what goes out next. One that does not fit its fields is our own fault, and the client is
// told so.
func (r *responding) append(p PDU) {
	r.trace("sent", p)
	out, err := p.Append(r.out)
	if err != nil {
		r.log.Error("response cannot be written", "command", p.Body.CommandID(), "error", err)
		out, _ = PDU{Status: StatusSysErr, Sequence: p.Sequence, Body: newBody(p.Body.CommandID())}.Append(r.out)
	}
	r.out = out
}

// flush writes what has been collected. An error ends the connection, and ctx with it.
func (r *responding) flush() {
	if len(r.out) > 0 {
		r.write(r.out)
		r.out = r.out[:0]
	}
}

// letIn tells the Handler that its session is open.
func (r *responding) letIn(ctx context.Context, a answer) {
	if ctx.Err() != nil {
		return
	}
	// The reader waits for known, and nobody else has a use for the logger yet.
	r.log = r.log.With("system_id", r.bind.SystemID, "kind", r.bind.Kind.String())
	r.log.Info("bound", "interface_version", r.bind.InterfaceVersion)
	r.open = true
	r.bound.Store(true)
	r.handler.Bound(r.Session)
	close(a.bound)
}

// unbind is our side's wish to end the session. A client that is not bound is left without a word.
func (r *responding) unbind() {
	if !r.open {
		r.abort("")
		return
	}
	r.append(PDU{Sequence: r.nextSequence(), Body: &Unbind{}})
	r.flush()
	r.abortAfter(min(r.response, unbindTime))
}
