package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"

	"smsgateway/store"
)

// Parameters of argon2id (RFC 9106): about 50 ms on a small box, 19 MiB while it lasts.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonKey    = 32
	argonSalt   = 16
)

var errAuthBusy = errors.New("too many binds at once wait for their password to be checked")

// authenticator checks passwords, one argon2id at a time. What matched once is remembered as a keyed MAC for the life
// of the process, so that a client that binds again costs nothing.
type authenticator struct {
	guard *guard
	turns turns
	match func(encoded, password string) (bool, error) // matches; tests count it
	key   [32]byte                                     // of the MACs below; never leaves the process
	dummy string                                       // a hash that nothing matches, checked for unknown accounts

	mu    sync.Mutex
	known map[string]mac // encoded hash to the MAC of the password that matched it
	looks map[mac]*look  // those under way
}

// mac is the fingerprint of a password, the Account Key that it is tried for, and the hash that it is tried against.
type mac [sha256.Size]byte

// look is one password being checked. Whoever comes with the same one meanwhile waits for what comes out of it.
type look struct {
	done  chan struct{} // closed when the rest is set
	right bool
	err   error // nobody looked
}

func newAuthenticator(g *guard) *authenticator {
	a := &authenticator{guard: g, match: matches, known: make(map[string]mac), looks: make(map[mac]*look)}
	rand.Read(a.key[:])
	var salt, sum [argonKey]byte
	rand.Read(salt[:])
	rand.Read(sum[:])
	a.dummy = encodeHash(salt[:argonSalt], sum[:])
	return a
}

// check tells whether password is the one of an account; acct is nil for one that does not exist: it takes the same time
// then, so that the time does not tell whether an Account Key exists. errBanned, errHurried and errAuthBusy say that nobody
// looked. The right password that was right before in the life of the process is let in whatever else goes on.
func (a *authenticator) check(ctx context.Context, who applicant, key string, acct *store.Account, password string) (bool, error) {
	encoded, found := a.dummy, false
	if acct != nil && acct.Password != "" {
		encoded, found = acct.Password, true
	}
	m := a.mac(encoded, key, password)
	for {
		l, first := a.begin(encoded, m)
		switch {
		case l == nil:
			return found, nil
		case who.known == "" && a.guard.banned(who.peer):
			if first {
				a.end(l, m, false, errBanned)
			}
			return false, errBanned
		case first:
			right, err := a.guard.try(ctx, who, key, fingerprint(m), func() (bool, error) { return a.look(ctx, who, encoded, password) })
			if right = right && found; right {
				a.remember(encoded, m)
			}
			a.end(l, m, right, err)
			return right, err
		}
		select {
		case <-l.done:
			if l.err == nil {
				return l.right, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// begin finds or opens the look at a password; nil: it is known to be right.
func (a *authenticator) begin(encoded string, m mac) (l *look, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.known[encoded]; ok && hmac.Equal(known[:], m[:]) {
		return nil, false
	}
	if l = a.looks[m]; l != nil {
		return l, false
	}
	l = &look{done: make(chan struct{})}
	a.looks[m] = l
	return l, true
}

func (a *authenticator) end(l *look, m mac, right bool, err error) {
	a.mu.Lock()
	delete(a.looks, m)
	a.mu.Unlock()
	l.right, l.err = right, err
	close(l.done)
}

// look hashes a password, when its turn has come.
func (a *authenticator) look(ctx context.Context, who applicant, encoded, password string) (bool, error) {
	if err := a.turns.take(ctx, who); err != nil {
		return false, err
	}
	defer a.turns.leave()
	return a.match(encoded, password)
}

func (a *authenticator) remember(encoded string, m mac) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[encoded] = m
}

// forget drops what is remembered of a hash that is no longer in force.
func (a *authenticator) forget(encoded string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, encoded)
}

// fingerprint is what the guard remembers of a password that was tried.
func fingerprint(m mac) uint64 { return binary.BigEndian.Uint64(m[:]) }

// mac has the Account Key in it, as all keys that don't exist have one hash: else those who come with the same password for
// two such keys would wait for one look, and the time would tell them from keys that do.
func (a *authenticator) mac(encoded, key, password string) (sum mac) {
	h := hmac.New(sha256.New, a.key[:])
	fmt.Fprintf(h, "%d:%s%d:%s%s", len(encoded), encoded, len(key), key, password)
	h.Sum(sum[:0])
	return sum
}

// hashPassword makes the form in which a password is stored.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	return encodeHash(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey))
}

// encodeHash writes the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func encodeHash(salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// matches checks a password against an encoded hash with the parameters that the hash names.
func matches(encoded, password string) (bool, error) {
	var version, memory, rounds, lanes int
	fields := strings.Split(encoded, "$")
	if len(fields) != 6 || fields[1] != "argon2id" {
		return false, errors.New("stored password is not an argon2id hash; set it anew with `smsgateway account password`")
	}
	if _, err := fmt.Sscanf(fields[2]+" "+fields[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &rounds, &lanes); err != nil {
		return false, fmt.Errorf("read the parameters of a stored password: %w", err)
	}
	if version != argon2.Version || memory < 8 || memory > 1<<20 || rounds < 1 || rounds > 64 || lanes < 1 || lanes > 16 {
		return false, fmt.Errorf("stored password has parameters out of range (%s$%s)", fields[2], fields[3])
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	if err != nil {
		return false, fmt.Errorf("read the salt of a stored password: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil || len(want) == 0 {
		return false, errors.New("stored password has no readable hash; set it anew with `smsgateway account password`")
	}
	got := argon2.IDKey([]byte(password), salt, uint32(rounds), uint32(memory), uint8(lanes), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
