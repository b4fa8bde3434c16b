// Thin SSF receivers on go-jose, in the request shapes of three that exist: caep.dev's (SGNL), i2goSignals', go-ssf's.
// One program, so that it is built once; --shape says which. See ../README.md for the arguments and what is printed.
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	verification   = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	sessionRevoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	methodPush     = "urn:ietf:rfc:8935"
	methodPoll     = "urn:ietf:rfc:8936"
	patience       = 90 * time.Second
)

type object = map[string]any

// receiver is what all shapes share.
type receiver struct {
	issuer, mode string
	bearer       string
	refuse       bool
	meta         object
	stream       object
	pushed       chan string
	secret       string
	seen         []object
	remarks      []string
}

// shape is how one kind of receiver asks.
type shape interface {
	create(r *receiver) error
	verify(r *receiver, state string) error
	// next gives the next SET, judged and acknowledged.
	next(r *receiver) (set, error)
	status(r *receiver, status string) error
	remove(r *receiver) error
}

func (r *receiver) streamID() string { return r.stream["stream_id"].(string) }

func (r *receiver) wellKnown(name string) string {
	at, err := url.Parse(r.issuer)
	if err != nil {
		return ""
	}
	return at.Scheme + "://" + at.Host + "/.well-known/" + name + at.Path
}

func random() string {
	bytes := make([]byte, 12)
	_, _ = rand.Read(bytes)
	return base64.RawURLEncoding.EncodeToString(bytes)
}

// say prints one JSON line.
func say(line object) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func (r *receiver) waitFor(how shape, uri string) (set, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		found, err := how.next(r)
		if err != nil || found.uri == uri {
			return found, err
		}
	}
	return set{}, fmt.Errorf("no %s within %s", uri, patience)
}

func (r *receiver) run(how shape) error {
	if err := r.discover(); err != nil {
		return err
	}
	if err := how.create(r); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	state := random()
	if err := how.verify(r, state); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	verified, err := r.waitFor(how, verification)
	if err != nil {
		return err
	}
	if verified.event["state"] != state || verified.subID["id"] != r.streamID() || verified.subID["format"] != "opaque" {
		return fmt.Errorf("not the verification asked for: %v", verified)
	}
	say(object{"step": "verified", "stream_id": r.streamID()})
	if _, err := r.waitFor(how, sessionRevoked); err != nil {
		return err
	}
	for _, status := range []string{"paused", "enabled"} {
		if err := how.status(r, status); err != nil {
			return fmt.Errorf("status: %w", err)
		}
	}
	if err := how.remove(r); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	say(object{"step": "done", "aud": r.stream["aud"], "seen": r.seen, "remarks": r.remarks})
	return nil
}

func main() {
	shapes := map[string]shape{"caep.dev": &caepDev{}, "i2gosignals": &i2goSignals{}, "go-ssf": &goSSF{}}
	r := &receiver{pushed: make(chan string, 100), remarks: []string{}}
	flag.StringVar(&r.issuer, "issuer", "", "the transmitter's issuer")
	flag.StringVar(&r.mode, "mode", "poll", "push or poll")
	flag.StringVar(&r.bearer, "bearer", "", "a long-lived bearer")
	flag.BoolVar(&r.refuse, "refuse-first", false, "refuses the first event (go-ssf, poll)")
	client := flag.String("client", "", "ID:SECRET, for a token")
	name := flag.String("shape", "caep.dev", "caep.dev, i2gosignals or go-ssf")
	flag.Parse()
	how, known := shapes[*name]
	if !known {
		fmt.Fprintln(os.Stderr, "no such shape:", *name)
		os.Exit(2)
	}
	var err error
	if r.bearer == "" {
		id, secret, _ := strings.Cut(*client, ":")
		err = r.token(id, secret)
	}
	if err == nil {
		err = r.run(how)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", *name, err)
		os.Exit(1)
	}
}
