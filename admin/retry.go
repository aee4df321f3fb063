package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"smsgateway/store"
)

// StatusSayTwice is the status of a refusal to have a text sent that the phone may have already, unless the operator says that he
// knows.
const StatusSayTwice = http.StatusPreconditionRequired

// word is the operator's, about one message. By is who he is; Twice, that he knows that the phone may get the text a second time.
type word struct {
	By    string `json:"by"`
	Twice bool   `json:"twice,omitempty"`
	As    string `json:"as,omitempty"` // of close: "sent" or "failed"
}

// Retried is what a retry did.
type Retried struct {
	Message
	CopyOf string `json:"copy_of,omitempty"` // the message that has ended, of which this one is a copy
}

// HeldFilter chooses messages that a restore holds; zero values choose all.
type HeldFilter struct {
	Account string    `json:"account,omitempty"`
	To      string    `json:"to,omitempty"`
	From    time.Time `json:"from,omitzero"`  // of acceptance
	Until   time.Time `json:"until,omitzero"` // the first moment that is not meant
	After   string    `json:"after,omitempty"`
}

// heldWord is the operator's about held messages.
type heldWord struct {
	HeldFilter
	word
}

// Released is what became of held messages in one request.
type Released struct {
	Messages int    `json:"messages"`
	Skipped  int    `json:"skipped"` // their validity is over: they end by themselves
	After    string `json:"after"`   // all up to this one were looked at
	More     bool   `json:"more"`    // not all were
}

func (a *api) retryMessage(r *http.Request) (any, error) {
	id, err := messageID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	w, err := read[word](r)
	if err != nil {
		return nil, err
	}
	done, err := a.g.RetryMessage(id, w.By, w.Twice)
	if err != nil {
		return nil, aboutWord(id, "sent again", err)
	}
	m, err := a.g.Message(done.ID)
	if err != nil {
		return nil, aboutMessage(done.ID, err)
	}
	v := Retried{Message: messageOf(a.g, m)}
	if done.Fresh {
		v.CopyOf = id.String()
	}
	return v, nil
}

func (a *api) closeMessage(r *http.Request) (any, error) {
	id, err := messageID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	w, err := read[word](r)
	if err != nil {
		return nil, err
	}
	sent, err := w.sent()
	if err != nil {
		return nil, err
	}
	if err := a.g.CloseMessage(id, sent, w.By); err != nil {
		return nil, aboutWord(id, "closed", err)
	}
	return a.messageNow(id)
}

func (w word) sent() (bool, error) {
	switch w.As {
	case "sent":
		return true, nil
	case "failed":
		return false, nil
	}
	return false, refuse(http.StatusBadRequest, "as: %q is none of sent, failed", w.As)
}

func (a *api) retryHeld(r *http.Request) (any, error) {
	return a.held(r, func(f store.HeldFilter, w word) (store.Released, error) { return a.g.RetryHeld(f, w.By, w.Twice) })
}

func (a *api) closeHeld(r *http.Request) (any, error) {
	return a.held(r, func(f store.HeldFilter, w word) (store.Released, error) {
		sent, err := w.sent()
		if err != nil {
			return store.Released{}, err
		}
		return a.g.CloseHeld(f, sent, w.By)
	})
}

func (a *api) held(r *http.Request, do func(f store.HeldFilter, w word) (store.Released, error)) (any, error) {
	w, err := read[heldWord](r)
	if err != nil {
		return nil, err
	}
	f := store.HeldFilter{Destination: w.To, From: w.From, Until: w.Until}
	if f.Lane, err = a.lane(w.Account); err != nil {
		return nil, err
	}
	if w.After != "" {
		if f.After, err = messageID(w.After); err != nil {
			return nil, err
		}
	}
	done, err := do(f, w.word)
	if err != nil {
		return nil, mayDouble(err)
	}
	return Released{done.N, done.Skipped, done.After.String(), done.More}, nil
}

// mayDouble puts the warning into words.
func mayDouble(err error) error {
	if errors.Is(err, store.ErrMayDouble) {
		return refuse(StatusSayTwice, "the phone may have the text already and get it a second time")
	}
	return err
}

// aboutWord says of which message an error of the store is, and what can't be done to it.
func aboutWord(id store.ID, what string, err error) error {
	var state *store.StateError
	if errors.As(err, &state) {
		return refuse(http.StatusConflict, "message %s can't be %s: it is %s, and %s", id, what, state.State, state.Reason)
	}
	return aboutMessage(id, mayDouble(err))
}

// RetryMessage has a message sent: at once if it waits for its next try, once more if nobody knows whether it was sent, as a
// copy if it has ended. An *Error of StatusSayTwice: the phone may get the text a second time, and twice does not say that by
// knows it.
func (c *Client) RetryMessage(ctx context.Context, id, by string, twice bool) (Retried, error) {
	return ask[Retried](ctx, c, http.MethodPost, "/v1/messages/"+segment(id)+"/retry", word{By: by, Twice: twice})
}

// CloseMessage ends the doubt about a message: as is "sent" or "failed".
func (c *Client) CloseMessage(ctx context.Context, id, as, by string) (Message, error) {
	return ask[Message](ctx, c, http.MethodPost, "/v1/messages/"+segment(id)+"/close", word{By: by, As: as})
}

// RetryHeld has some of the messages sent that a restore holds; call it until there are no more.
func (c *Client) RetryHeld(ctx context.Context, f HeldFilter, by string, twice bool) (Released, error) {
	return ask[Released](ctx, c, http.MethodPost, "/v1/held/retry", heldWord{f, word{By: by, Twice: twice}})
}

// CloseHeld closes some of them.
func (c *Client) CloseHeld(ctx context.Context, f HeldFilter, as, by string) (Released, error) {
	return ask[Released](ctx, c, http.MethodPost, "/v1/held/close", heldWord{f, word{By: by, As: as}})
}
