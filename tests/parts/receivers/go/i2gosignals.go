package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// i2goSignals asks as that server does where it is a receiver: with members that only the transmitter may set, with
// pretty-printed bodies, with no stream_id where it verifies; and it takes an authorization_header that comes back
// for the token to manage the stream with.
type i2goSignals struct{}

func (i2goSignals) ask(r *receiver, method, to string, body any) (answer, error) {
	text := []byte{}
	if body != nil {
		text, _ = json.MarshalIndent(body, "", "  ")
	}
	return r.call(method, to, string(text), json1)
}

func (i i2goSignals) create(r *receiver) error {
	delivery := object{"method": methodPoll}
	if r.mode == "push" {
		to, err := r.listen(func(w http.ResponseWriter, status int) { http.Error(w, `{"err":"invalid_request"}`, status) })
		if err != nil {
			return err
		}
		delivery = object{"method": methodPush, "endpoint_url": to, "authorization_header": r.secret}
	}
	got, err := i.ask(r, http.MethodPost, r.endpoint("configuration_endpoint"), object{
		"stream_id": "", "iss": "https://chosen.example", "aud": []string{"https://chosen.example/aud"},
		"delivery": delivery, "events_requested": []string{sessionRevoked}, "description": "i2goSignals",
	})
	if err == nil {
		err = got.wanted(200, 201)
	}
	if err == nil {
		err = got.into(&r.stream)
	}
	if err != nil {
		return err
	}
	if r.stream["iss"] != r.issuer || r.stream["stream_id"] == "" || r.stream["stream_id"] == nil {
		return fmt.Errorf("what a client chose was honoured: %s", got.body)
	}
	given, _ := r.stream["delivery"].(object)
	if echoed, _ := given["authorization_header"].(string); echoed != "" {
		r.bearer = echoed
	}
	return nil
}

func (i i2goSignals) verify(r *receiver, state string) error {
	got, err := i.ask(r, http.MethodPost, r.endpoint("verification_endpoint"), object{"state": state})
	if err == nil {
		err = got.wanted(200, 204)
	}
	return err
}

func (i i2goSignals) next(r *receiver) (set, error) {
	if r.mode == "push" {
		return r.nextPushed()
	}
	delivery, _ := r.stream["delivery"].(object)
	from, _ := delivery["endpoint_url"].(string)
	poll := func(body object) (map[string]string, error) {
		got, err := i.ask(r, http.MethodPost, from, body)
		if err == nil {
			err = got.wanted(200)
		}
		var answered struct {
			Sets map[string]string `json:"sets"`
		}
		if err == nil {
			err = got.into(&answered)
		}
		return answered.Sets, err
	}
	for try := 0; try < 3; try++ { // each a long poll
		sets, err := poll(object{"maxEvents": 1000, "timeoutSecs": 10})
		if err != nil {
			return set{}, err
		}
		for jti, compact := range sets {
			found, err := r.judged(compact)
			if err != nil {
				return set{}, err
			}
			_, err = poll(object{"maxEvents": 0, "returnImmediately": true, "timeoutSecs": 10, "ack": []string{jti}})
			return found, err
		}
	}
	return set{}, errors.New("nothing to poll")
}

func (i i2goSignals) status(r *receiver, status string) error {
	got, err := i.ask(r, http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": r.streamID(), "status": status, "reason": "i2goSignals"})
	if err == nil {
		err = got.wanted(200)
	}
	if err != nil {
		return err
	}
	got, err = i.ask(r, http.MethodGet, r.endpoint("status_endpoint")+"?stream_id="+r.streamID(), nil)
	var answered object
	if err == nil && (got.wanted(200) != nil || got.into(&answered) != nil || answered["status"] != status) {
		err = fmt.Errorf("%d %s", got.status, got.body)
	}
	return err
}

func (i i2goSignals) remove(r *receiver) error {
	got, err := i.ask(r, http.MethodDelete, r.endpoint("configuration_endpoint")+"?stream_id="+r.streamID(), nil)
	if err == nil {
		err = got.wanted(204)
	}
	return err
}
