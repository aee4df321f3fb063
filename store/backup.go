package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// backupPatience is for how long in all a backup may wait for whoever takes it while it holds the file in its state of that
	// moment, which keeps pages from being used again.
	backupPatience = 10 * time.Second
	backupChunk    = 256 << 10
	backupAhead    = 8 // chunks that are read before they are taken
)

// ErrNoSpool: whoever takes the backup is slow, and on the disk there is no room to put the rest aside.
var ErrNoSpool = errors.New("the backup is fetched too slowly, and the disk of the database has no room to keep the rest of it meanwhile")

// Backup writes the file, as one commit left it, to w: what is not on disk for good is not in it. It goes on beside the
// writer. If w takes more than 10 s in all, the rest is put into a temporary file beside the database, which has no name and is
// gone with the process, so that no old pages are kept for long; ErrNoSpool if there is no room for that. progress, which may be
// nil, is told the octets written, and how many there are; first of all 0, before anything is written. ErrDamaged: a page can't be read.
func (db *DB) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	return db.backup(ctx, w, progress, backupPatience)
}

func (db *DB) backup(ctx context.Context, w io.Writer, progress func(done, total int64), patience time.Duration) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &pump{db: db, ctx: ctx, chunks: make(chan []byte, backupAhead), patience: patience}
	defer out.close()
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		for chunk := range out.chunks {
			n, err := w.Write(chunk)
			if out.written += int64(n); err != nil {
				cancel(err)
				break
			}
			progress(out.written, out.total)
		}
	}()
	err := db.view(func(v *reader) error {
		out.total = v.tx.Size()
		progress(0, out.total)
		buffered := bufio.NewWriterSize(out, backupChunk)
		if _, err := v.tx.WriteTo(struct{ io.Writer }{buffered}); err != nil { // else io.Copy would take chunks of its own
			return err
		}
		return buffered.Flush()
	})
	close(out.chunks)
	<-pumped
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = out.rest(ctx, w, progress)
	}
	if err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	return nil
}

// CopyFile writes a file that nobody has open to w, octet by octet: it is as its last commit left it. It needs no more than to
// read: a disk that was made read-only, as the system does with one that fails, still gives a backup. It tells how many octets
// were written. ErrLocked: a gateway has it open.
func CopyFile(ctx context.Context, path string, w io.Writer, progress func(done, total int64)) (n int64, err error) {
	f, err := lockFile(path, os.O_RDONLY, syscall.LOCK_SH)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	chunk := make([]byte, backupChunk)
	for err == nil {
		var got int
		got, err = f.Read(chunk)
		if _, writeErr := w.Write(chunk[:got]); writeErr != nil {
			return n, writeErr
		}
		if n += int64(got); progress != nil {
			progress(n, info.Size())
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	if err != io.EOF {
		return n, fmt.Errorf("copy %s: %w", path, err)
	}
	return n, nil
}

// pump hands chunks over to whoever takes the backup, or puts them aside once he has been waited for long enough.
type pump struct {
	db       *DB
	ctx      context.Context
	chunks   chan []byte
	patience time.Duration // what is left of it
	spool    *os.File      // nil: not yet
	total    int64         // octets of the whole
	read     int64         // of these were taken in
	written  int64         // and written out
}

// Write is called with the read transaction open.
func (p *pump) Write(b []byte) (int, error) {
	if p.spool == nil {
		switch given, err := p.give(b); {
		case err != nil:
			return 0, err
		case given:
			p.read += int64(len(b))
			return len(b), nil
		}
		if err := p.setAside(); err != nil {
			return 0, err
		}
	}
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.spool.Write(b)
	p.read += int64(n)
	return n, err
}

// give waits for room among the chunks; false: patience is over.
func (p *pump) give(b []byte) (bool, error) {
	began := time.Now()
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case p.chunks <- append([]byte(nil), b...):
		p.patience -= time.Since(began)
		return true, nil
	case <-timer.C:
		return false, nil
	case <-p.ctx.Done():
		return false, p.ctx.Err()
	}
}

// setAside makes the temporary file, if there is room for what is left.
func (p *pump) setAside() error {
	free, reserve, err := p.db.Room()
	if err != nil {
		return err
	}
	if free-reserve < p.total-p.read {
		return ErrNoSpool
	}
	f, err := os.CreateTemp(filepath.Dir(p.db.path), filepath.Base(p.db.path)+".backup-*"+tempSuffix) // 0600
	if err != nil {
		return err
	}
	p.spool = f
	return os.Remove(f.Name())
}

// rest writes out what was put aside. No transaction is open any more.
func (p *pump) rest(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	if p.spool == nil {
		return nil
	}
	if _, err := p.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	chunk := make([]byte, backupChunk)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := p.spool.Read(chunk)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(chunk[:n]); err != nil {
			return err
		}
		p.written += int64(n)
		progress(p.written, p.total)
	}
}

func (p *pump) close() {
	if p.spool != nil {
		p.spool.Close()
	}
}
