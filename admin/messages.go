package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"smsgateway/store"
)

func (a *api) messages(r *http.Request) (any, error) {
	q := r.URL.Query()
	n, err := limit(r)
	if err != nil {
		return nil, err
	}
	var filter store.Filter
	if filter.Lane, err = a.lane(q.Get("account")); err != nil {
		return nil, err
	}
	if filter.States, err = statesOf(q.Get("state")); err != nil {
		return nil, err
	}
	if s := q.Get("before"); s != "" {
		if filter.Before, err = messageID(s); err != nil {
			return nil, err
		}
	}
	filter.Held = q.Get("held") != ""
	filter.Destination = q.Get("to")
	filter.Limit = min(n, mostFound)
	messages, next, err := a.g.SearchMessages(filter, lookFor)
	if err != nil {
		return nil, err
	}
	f := found{Messages: []Message{}}
	for _, m := range messages {
		f.Messages = append(f.Messages, messageOf(a.g, m))
	}
	switch {
	case next != 0:
		f.Next = next.String()
	case len(messages) == filter.Limit && filter.Limit < n:
		f.Next = messages[len(messages)-1].ID.String()
	}
	return f, nil
}

// A search may have to look at millions of messages, and the client does not wait so long for an answer: it is told where to go
// on. mostFound is how many are given at once.
const (
	lookFor   = patience / 4
	mostFound = 1000
)

// found is an answer to a search.
type found struct {
	Messages []Message `json:"messages"`
	Next     string    `json:"next,omitempty"` // where to go on, for "before"; "": the list is full, or all there is
}

func (a *api) message(r *http.Request) (any, error) {
	id, err := messageID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.messageNow(id)
}

func (a *api) messageNow(id store.ID) (any, error) {
	m, err := a.g.Message(id)
	if err != nil {
		return nil, aboutMessage(id, err)
	}
	return messageOf(a.g, m), nil
}

func (a *api) send(r *http.Request) (any, error) {
	req, err := read[NewMessage](r)
	if err != nil {
		return nil, err
	}
	id, err := a.g.SendText(r.Context(), req.Account, req.To, req.Text)
	if err != nil {
		return nil, aboutAccount(req.Account, err)
	}
	return a.messageNow(id)
}

func (a *api) cancelMessage(r *http.Request) (any, error) {
	id, err := messageID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := a.g.CancelMessage(id); err != nil {
		return nil, aboutMessage(id, err)
	}
	return a.messageNow(id)
}

func (a *api) inbox(r *http.Request) (any, error) {
	q := r.URL.Query()
	n, err := limit(r)
	if err != nil {
		return nil, err
	}
	filter := store.InboxFilter{Account: q.Get("account")}
	if _, err := a.lane(filter.Account); err != nil {
		return nil, err
	}
	if s := q.Get("before"); s != "" {
		if filter.Before, err = inboxID(s); err != nil {
			return nil, err
		}
	}
	list := []InboxText{}
	for len(list) < n {
		filter.Limit = n - len(list)
		texts, err := a.g.Inbox(filter)
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			break
		}
		for _, in := range texts {
			list = append(list, inboxTextOf(in, a.g.Stranger(in)))
			filter.Before = in.ID
		}
	}
	return list, nil
}

func (a *api) inboxWaiting(r *http.Request) (any, error) {
	n, err := limit(r)
	if err != nil {
		return nil, err
	}
	texts, err := a.g.WaitingTexts(n)
	if err != nil {
		return nil, err
	}
	list := []InboxText{}
	for _, w := range texts {
		v := inboxTextOf(w.Inbound, "")
		v.ID, v.Until = "", w.Until.UTC()
		list = append(list, v)
	}
	return list, nil
}

func (a *api) inboxText(r *http.Request) (any, error) {
	id, err := inboxID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	texts, err := a.g.Inbox(store.InboxFilter{Before: id + 1, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 || texts[0].ID != id {
		return nil, refuse(http.StatusNotFound, "there is no text %d in the inbox; see smsgateway inbox list", id)
	}
	return inboxTextOf(texts[0], a.g.Stranger(texts[0])), nil
}

// lane finds the number by which the store knows an account; 0, all of them, for "".
func (a *api) lane(key string) (uint32, error) {
	if key == "" {
		return 0, nil
	}
	acct, err := a.g.Account(key)
	if err != nil {
		return 0, aboutAccount(key, err)
	}
	return acct.Lane, nil
}

func messageID(s string) (store.ID, error) {
	id, err := store.ParseID(s)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "%s", err)
	}
	return id, nil
}

// inboxID reads the number of a text in the inbox.
func inboxID(s string) (uint64, error) {
	id, err := strconv.ParseUint(s, 10, 63)
	if err != nil || id == 0 {
		return 0, refuse(http.StatusBadRequest, "%q is no number of a text in the inbox", s)
	}
	return id, nil
}

// statesOf reads the names of states, with commas between them; nil, all of them, for "".
func statesOf(names string) ([]store.State, error) {
	if names == "" {
		return nil, nil
	}
	var all []store.State
	var known []string
	for s := store.Queued; s <= store.Unknown; s++ {
		all, known = append(all, s), append(known, s.String())
	}
	var list []store.State
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(known, strings.ToLower(strings.TrimSpace(name)))
		if i < 0 {
			return nil, refuse(http.StatusBadRequest, "state: %q is none of %s", name, strings.Join(known, ", "))
		}
		list = append(list, all[i])
	}
	return list, nil
}
