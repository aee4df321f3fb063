package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
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

// authQueue is how many binds may wait for their turn to be hashed. Beyond it a bind is refused unhashed, so that
// strangers who guess passwords cost neither memory nor the processor.
const authQueue = 8

var errAuthBusy = errors.New("too many binds at once wait for their password to be checked")

// authenticator checks passwords, one argon2id at a time. What matched once is remembered as a keyed MAC for the life
// of the process, so that a client that binds again costs nothing.
type authenticator struct {
	turn    chan struct{} // holds one token
	waiting chan struct{}
	key     [32]byte // of the MACs below; never leaves the process
	dummy   string   // a hash that nothing matches, checked for unknown accounts

	mu    sync.Mutex
	known map[string][sha256.Size]byte // encoded hash to the MAC of the password that matched it
}

func newAuthenticator() *authenticator {
	a := &authenticator{
		turn:    make(chan struct{}, 1),
		waiting: make(chan struct{}, authQueue),
		known:   make(map[string][sha256.Size]byte),
	}
	rand.Read(a.key[:])
	var salt, sum [argonKey]byte
	rand.Read(salt[:])
	rand.Read(sum[:])
	a.dummy = encodeHash(salt[:argonSalt], sum[:])
	return a
}

// check tells whether password is the one behind the encoded hash; found is false for an account that does not exist:
// it takes the same time then, so that the time does not tell whether an Account Key exists.
func (a *authenticator) check(ctx context.Context, acct store.Account, found bool, password string) (bool, error) {
	encoded := acct.Password
	if !found || encoded == "" {
		encoded, found = a.dummy, false
	}
	mac := a.mac(encoded, password)
	a.mu.Lock()
	known, ok := a.known[encoded]
	a.mu.Unlock()
	if ok && hmac.Equal(known[:], mac[:]) {
		return found, nil
	}
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return false, errAuthBusy
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	match, err := matches(encoded, password)
	if err != nil {
		return false, err
	}
	if match && found {
		a.mu.Lock()
		a.known[encoded] = mac
		a.mu.Unlock()
	}
	return match && found, nil
}

// forget drops what is remembered of a hash that is no longer in force.
func (a *authenticator) forget(encoded string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, encoded)
}

func (a *authenticator) mac(encoded, password string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, a.key[:])
	fmt.Fprintf(h, "%d:%s%s", len(encoded), encoded, password)
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
