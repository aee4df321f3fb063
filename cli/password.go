package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"smsgateway/admin"
)

// password gets the password for an account: from stdin if that was asked for, else from a person who types it twice.
// "" means that the gateway is to make one: nobody is there to ask, or the person just pressed Enter.
func (a *app) password(ctx context.Context, fromStdin bool) (string, error) {
	if fromStdin {
		password, err := firstLine(a.env.Stdin)
		return password, cmp.Or(err, admin.CheckPassword(password))
	}
	tty, ok := a.env.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return "", nil
	}
	first, err := a.ask(ctx, tty, "Password, 1 to 8 characters (Enter alone has one made): ")
	if err != nil || first == "" {
		return "", err
	}
	if err := admin.CheckPassword(first); err != nil {
		return "", err
	}
	second, err := a.ask(ctx, tty, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

// firstLine reads a secret that a program pipes in. An empty one is a mistake: that pass(1) found nothing, say.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("standard input holds no password")
	}
	return line, nil
}

// ask reads a line without echo. An interrupt gives the terminal its echo back.
func (a *app) ask(ctx context.Context, tty *os.File, prompt string) (string, error) {
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	fmt.Fprint(a.env.Stderr, prompt)
	defer fmt.Fprintln(a.env.Stderr)
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	// Reading a terminal can't be stopped, so after an interrupt nobody waits for this goroutine: the process ends.
	go func() {
		text, err := term.ReadPassword(fd)
		got <- answer{text, err}
	}()
	select {
	case in := <-got:
		if in.err != nil && !errors.Is(in.err, io.EOF) {
			return "", fmt.Errorf("ask for the password: %w", in.err)
		}
		return string(in.text), nil
	case <-ctx.Done():
		return "", errors.Join(errors.New("interrupted; nothing was changed"), term.Restore(fd, before))
	}
}
