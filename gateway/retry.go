package gateway

import (
	"context"
	"io"

	"smsgateway/store"
)

// RetryMessage has a message sent by the operator's word, as store.DB.Retry does. by is who he is; twice, that he knows that the
// phone may get the text a second time.
func (g *Gateway) RetryMessage(id store.ID, by string, twice bool) (store.Retried, error) {
	now := g.opt.Now()
	done, err := g.db.Retry(id, store.Order{By: by, Twice: twice, Expires: now.Add(g.defaults().Validity)}, now)
	if err != nil {
		return store.Retried{}, err
	}
	g.log.Info("sent again by the operator", "id", id, "as", done.ID, "by", by)
	return done, nil
}

// CloseMessage ends the doubt about a message by the operator's word: it was sent, or it has failed.
func (g *Gateway) CloseMessage(id store.ID, sent bool, by string) error {
	m, err := g.db.CloseAs(id, sent, store.Order{By: by}, g.opt.Now())
	if err != nil {
		return err
	}
	g.log.Info("closed by the operator", "id", id, "state", m.State.String(), "by", by)
	return nil
}

// RetryHeld has messages sent that a restore holds, some at a time.
func (g *Gateway) RetryHeld(f store.HeldFilter, by string, twice bool) (store.Released, error) {
	done, err := g.db.RetryHeld(f, store.Order{By: by, Twice: twice}, g.opt.Now())
	if err == nil && done.N > 0 {
		g.log.Info("held messages released by the operator", "messages", done.N, "up_to", done.After, "by", by)
	}
	return done, err
}

// CloseHeld closes messages that a restore holds, some at a time.
func (g *Gateway) CloseHeld(f store.HeldFilter, sent bool, by string) (store.Released, error) {
	done, err := g.db.CloseHeld(f, sent, store.Order{By: by}, g.opt.Now())
	if err == nil && done.N > 0 {
		g.log.Info("held messages closed by the operator", "messages", done.N, "up_to", done.After, "sent", sent, "by", by)
	}
	return done, err
}

// Backup writes the database, as it is on disk at this moment, to w, while the gateway goes on. See store.DB.Backup.
func (g *Gateway) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	if err := g.db.Backup(ctx, w, progress); err != nil {
		g.log.Warn("a backup was not finished", "err", err)
		return err
	}
	g.log.Info("a backup was made")
	return nil
}

// Check looks at the whole database while the gateway goes on. See store.DB.Check.
func (g *Gateway) Check(ctx context.Context, quick bool, progress func(store.Progress)) (store.Findings, error) {
	found, err := g.db.Check(ctx, store.CheckOptions{Quick: quick}, progress)
	if err == nil && found.Faults > 0 {
		g.log.Error("a check found faults in the database", "faults", found.Faults, "first", found.List[0].What)
	}
	return found, err
}
