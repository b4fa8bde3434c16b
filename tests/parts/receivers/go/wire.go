// What all shapes need of HTTP and JOSE.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{Proxy: nil}}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) into(value any) error { return json.Unmarshal(a.body, value) }

func (a answer) wanted(statuses ...int) error {
	if slices.Contains(statuses, a.status) {
		return nil
	}
	return fmt.Errorf("status %d, wanted %v: %s", a.status, statuses, a.body)
}

func send(request *http.Request) (answer, error) {
	got, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header, body}, err
}

// call sends text (or nothing, when it is empty) with the receiver's bearer.
func (r *receiver) call(method, to, text, accept string) (answer, error) {
	request, err := http.NewRequest(method, to, strings.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+r.bearer)
	request.Header.Set("Accept", accept)
	if text != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return send(request)
}

// get is without credentials.
func get(from string, into any) error {
	request, err := http.NewRequest(http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	got, err := send(request)
	if err == nil {
		err = got.wanted(200)
	}
	if err == nil {
		err = got.into(into)
	}
	return err
}

func (r *receiver) token(id, secret string) error {
	var server struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := get(r.wellKnown("oauth-authorization-server"), &server); err != nil {
		return err
	}
	if server.Issuer != r.issuer {
		return errors.New("another authorization server: " + server.Issuer)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"ssf.read ssf.manage"}}
	request, err := http.NewRequest(http.MethodPost, server.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	got, err := send(request)
	if err == nil {
		err = got.wanted(200)
	}
	if err != nil {
		return err
	}
	var given struct {
		AccessToken string `json:"access_token"`
	}
	if err := got.into(&given); err != nil || given.AccessToken == "" {
		return fmt.Errorf("no token: %s", got.body)
	}
	r.bearer = given.AccessToken
	return nil
}

// discover reads the metadata. The bearer goes along, as caep.dev's library sends it.
func (r *receiver) discover() error {
	got, err := r.call(http.MethodGet, r.wellKnown("ssf-configuration"), "", "application/json")
	if err == nil {
		err = got.wanted(200)
	}
	if err == nil {
		err = got.into(&r.meta)
	}
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	methods, _ := r.meta["delivery_methods_supported"].([]any)
	if r.meta["issuer"] != r.issuer || r.meta["configuration_endpoint"] == nil || len(methods) == 0 {
		return fmt.Errorf("metadata: %v", r.meta)
	}
	return nil
}

func (r *receiver) endpoint(name string) string {
	text, _ := r.meta[name].(string)
	return text
}

// listen opens a push endpoint, which hands what it takes to r.pushed; bad says how it answers anything else.
func (r *receiver) listen(bad func(http.ResponseWriter, int)) (string, error) {
	r.secret = "Bearer " + random()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	take := func(w http.ResponseWriter, request *http.Request) {
		media, _, _ := mime.ParseMediaType(request.Header.Get("Content-Type"))
		body, err := io.ReadAll(request.Body)
		switch {
		case media != "application/secevent+jwt":
			bad(w, http.StatusUnsupportedMediaType)
		case err != nil || request.Header.Get("Authorization") != r.secret:
			bad(w, http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusAccepted)
			r.pushed <- string(body)
		}
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(take)) }()
	return "http://" + listener.Addr().String() + "/events", nil
}

// nextPushed waits for what was pushed, and judges it.
func (r *receiver) nextPushed() (set, error) {
	select {
	case compact := <-r.pushed:
		return r.judged(compact)
	case <-time.After(patience):
		return set{}, errors.New("nothing was pushed")
	}
}

// set is a SET that was judged.
type set struct {
	jti, uri     string
	event, subID object
}

// formats that caep.dev's parser knows.
var formats = []string{"email", "phone_number", "iss_sub", "uri", "opaque", "complex"}

// judged verifies a SET with the keys of now: they are fetched for each, as caep.dev's library does.
func (r *receiver) judged(compact string) (set, error) {
	var keys jose.JSONWebKeySet
	if err := get(r.endpoint("jwks_uri"), &keys); err != nil {
		return set{}, fmt.Errorf("keys: %w", err)
	}
	parsed, err := jose.ParseSigned(compact, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return set{}, err
	}
	header := parsed.Signatures[0].Protected
	found := keys.Key(header.KeyID)
	if header.KeyID == "" || len(found) != 1 {
		return set{}, fmt.Errorf("kid %q names %d keys", header.KeyID, len(found))
	}
	payload, err := parsed.Verify(found[0].Key)
	if err != nil {
		return set{}, err
	}
	var claims struct {
		Iss    string            `json:"iss"`
		Jti    string            `json:"jti"`
		Txn    string            `json:"txn"`
		Aud    any               `json:"aud"`
		Iat    int64             `json:"iat"`
		SubID  object            `json:"sub_id"`
		Events map[string]object `json:"events"`
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	if err := decoder.Decode(&claims); err != nil {
		return set{}, err
	}
	format, _ := claims.SubID["format"].(string)
	if claims.Iss != r.issuer || claims.Jti == "" || claims.Iat == 0 || claims.Aud == nil || len(claims.Events) != 1 || !slices.Contains(formats, format) {
		return set{}, fmt.Errorf("claims: %s", payload)
	}
	for uri, event := range claims.Events {
		r.seen = append(r.seen, object{"alg": header.Algorithm, "jti": claims.Jti, "txn": claims.Txn, "event": uri, "sub_id": claims.SubID})
		return set{claims.Jti, uri, event, claims.SubID}, nil
	}
	return set{}, nil
}
