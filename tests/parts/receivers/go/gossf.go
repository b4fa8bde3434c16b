package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// goSSF asks as go-ssf does: it takes problem+json too, honours Retry-After, reports what it refuses under codes that
// nobody registered, and answers a bad push with a problem. Its status update names no stream: a transmitter may
// answer 400 (SSF 1.0, 8.1.2.2), and then it says which. Its fixed paths are those of the metadata here.
type goSSF struct{}

func (goSSF) ask(r *receiver, method, to string, body any) (answer, error) {
	text := []byte{}
	if body != nil {
		text, _ = json.Marshal(body)
	}
	for {
		got, err := r.call(method, to, string(text), "application/json, application/problem+json")
		seconds, bad := strconv.Atoi(got.header.Get("Retry-After"))
		if err != nil || bad != nil || (got.status != 429 && got.status != 503) {
			return got, err
		}
		time.Sleep(time.Duration(seconds) * time.Second)
	}
}

func (g goSSF) create(r *receiver) error {
	delivery := object{"method": methodPoll}
	if r.mode == "push" {
		to, err := r.listen(func(w http.ResponseWriter, status int) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"title":%q,"status":%d}`, http.StatusText(status), status)
		})
		if err != nil {
			return err
		}
		delivery = object{"method": methodPush, "endpoint_url": to, "authorization_header": r.secret}
	}
	got, err := g.ask(r, http.MethodPost, r.endpoint("configuration_endpoint"), object{"delivery": delivery, "events_requested": []string{sessionRevoked}})
	if err == nil {
		err = got.wanted(201)
	}
	if err == nil {
		err = got.into(&r.stream)
	}
	return err
}

func (g goSSF) verify(r *receiver, state string) error {
	got, err := g.ask(r, http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": r.streamID(), "state": state})
	if err == nil {
		err = got.wanted(204)
	}
	return err
}

func (g goSSF) next(r *receiver) (set, error) {
	if r.mode == "push" {
		return r.nextPushed()
	}
	delivery, _ := r.stream["delivery"].(object)
	from, _ := delivery["endpoint_url"].(string)
	ask := object{"returnImmediately": true}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got, err := g.ask(r, http.MethodPost, from, ask)
		if err == nil {
			err = got.wanted(200)
		}
		var answered struct {
			Sets map[string]string `json:"sets"`
		}
		if err == nil {
			err = got.into(&answered)
		}
		if err != nil {
			return set{}, err
		}
		for jti, compact := range answered.Sets {
			found, err := r.judged(compact)
			if err != nil {
				return set{}, err
			}
			done := object{"ack": []string{jti}, "maxEvents": 0, "returnImmediately": true}
			refused := r.refuse && found.uri == sessionRevoked
			if refused {
				r.refuse = false
				r.remarks = append(r.remarks, "refused "+jti)
				done = object{"setErrs": object{jti: object{"err": "delivery_failed", "description": "try another"}}, "maxEvents": 0, "returnImmediately": true}
			}
			got, err := g.ask(r, http.MethodPost, from, done)
			if err == nil {
				err = got.wanted(200)
			}
			if !refused || err != nil {
				return found, err
			}
		}
	}
	return set{}, errors.New("nothing to poll")
}

func (g goSSF) status(r *receiver, status string) error {
	to := r.endpoint("status_endpoint")
	got, err := g.ask(r, http.MethodPost, to, object{"status": status})
	if err == nil && got.status == 400 {
		r.remarks = append(r.remarks, "a status without stream_id is 400")
		got, err = g.ask(r, http.MethodPost, to, object{"stream_id": r.streamID(), "status": status})
	}
	var answered object
	if err == nil && (got.wanted(200) != nil || got.into(&answered) != nil || answered["status"] != status) {
		err = fmt.Errorf("%d %s", got.status, got.body)
	}
	return err
}

func (g goSSF) remove(r *receiver) error {
	at := r.endpoint("configuration_endpoint") + "?stream_id=" + r.streamID()
	got, err := g.ask(r, http.MethodDelete, at, nil)
	if err == nil {
		err = got.wanted(204)
	}
	if err != nil {
		return err
	}
	got, err = g.ask(r, http.MethodGet, at, nil)
	if err == nil {
		err = got.wanted(404)
	}
	return err
}
