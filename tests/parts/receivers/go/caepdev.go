package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// caepDev asks as SGNL's caep.dev library does: an empty endpoint_url with poll, max_events in place of maxEvents,
// always a short poll, acknowledgements in a request of their own, an answer that is a map of maps. It wants 200 where
// the specification says 204: what it would complain about is a remark here.
type caepDev struct{}

const json1 = "application/json"

// retrying sends up to three times more after 1 s each, whatever Retry-After says.
func (caepDev) retrying(r *receiver, method, to string, body any) (answer, error) {
	text := ""
	if body != nil {
		bytes, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		text = string(bytes)
	}
	for try := 0; ; try++ {
		got, err := r.call(method, to, text, json1)
		again := err == nil && (got.status == 408 || got.status == 429 || got.status == 500 || (got.status >= 502 && got.status <= 504))
		if !again || try == 3 {
			return got, err
		}
		time.Sleep(time.Second)
	}
}

func (c caepDev) create(r *receiver) error {
	streams := r.endpoint("configuration_endpoint")
	// It looks for a stream first: an array or one object; 404 is none.
	got, err := c.retrying(r, http.MethodGet, streams, nil)
	if err != nil {
		return err
	}
	var list []object
	if got.status != 404 && (got.wanted(200) != nil || got.into(&list) != nil || len(list) != 0) {
		return fmt.Errorf("list: %d %s", got.status, got.body)
	}
	delivery := object{"method": methodPoll, "endpoint_url": ""}
	if r.mode == "push" {
		to, err := r.listen(func(w http.ResponseWriter, status int) { w.WriteHeader(status) })
		if err != nil {
			return err
		}
		delivery = object{"method": methodPush, "endpoint_url": to, "authorization_header": r.secret}
	}
	got, err = c.retrying(r, http.MethodPost, streams, object{
		"delivery": delivery, "events_requested": []string{sessionRevoked}, "description": "caep.dev receiver",
	})
	if err == nil {
		err = got.wanted(201)
	}
	if err == nil {
		err = got.into(&r.stream)
	}
	if err != nil {
		return err
	}
	given, _ := r.stream["delivery"].(object)
	events, _ := r.stream["events_delivered"].([]any)
	if r.stream["stream_id"] == nil || r.stream["iss"] != r.issuer || isEmpty(r.stream["aud"]) || isEmpty(given["endpoint_url"]) || len(events) == 0 {
		return fmt.Errorf("a stream lacks something: %s", got.body)
	}
	return nil
}

// isEmpty: nothing, an empty text, or an empty list.
func isEmpty(value any) bool {
	list, isList := value.([]any)
	return value == nil || value == "" || (isList && len(list) == 0)
}

func (c caepDev) verify(r *receiver, state string) error {
	got, err := c.retrying(r, http.MethodPost, r.endpoint("verification_endpoint"), object{"stream_id": r.streamID(), "state": state})
	return c.told(r, "verify", got, err)
}

// told takes 204 as the specification has it, and remarks on it.
func (caepDev) told(r *receiver, what string, got answer, err error) error {
	if err == nil && got.status == 204 {
		r.remarks = append(r.remarks, what+" answered 204")
		return nil
	}
	if err == nil {
		err = got.wanted(200)
	}
	return err
}

func (c caepDev) poll(r *receiver, body object) (map[string]map[string]string, error) {
	delivery, _ := r.stream["delivery"].(object)
	from, _ := delivery["endpoint_url"].(string)
	got, err := c.retrying(r, http.MethodPost, from, body)
	if err == nil {
		err = got.wanted(200)
	}
	answered := map[string]map[string]string{}
	if err == nil && got.into(&answered) != nil {
		err = fmt.Errorf("no map of maps: %s", got.body)
	}
	return answered, err
}

func (c caepDev) next(r *receiver) (set, error) {
	if r.mode == "push" {
		return r.nextPushed()
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		answered, err := c.poll(r, object{"stream_id": r.streamID(), "max_events": 10, "returnImmediately": true})
		if err != nil {
			return set{}, err
		}
		for jti, compact := range answered["sets"] {
			found, err := r.judged(compact)
			if err != nil {
				return set{}, err
			}
			if _, err := c.poll(r, object{"ack": []string{jti}, "returnImmediately": true}); err != nil {
				return set{}, err
			}
			return found, nil
		}
	}
	return set{}, errors.New("nothing to poll")
}

func (c caepDev) status(r *receiver, status string) error {
	got, err := c.retrying(r, http.MethodPost, r.endpoint("status_endpoint"), object{"stream_id": r.streamID(), "status": status})
	if err == nil {
		err = got.wanted(200)
	}
	var answered object
	if err == nil && (got.into(&answered) != nil || answered["stream_id"] != r.streamID() || answered["status"] != status) {
		err = fmt.Errorf("another status: %s", got.body)
	}
	if err != nil {
		return err
	}
	got, err = c.retrying(r, http.MethodGet, r.endpoint("status_endpoint")+"?stream_id="+r.streamID(), nil)
	if err == nil {
		err = got.wanted(200)
	}
	return err
}

func (c caepDev) remove(r *receiver) error {
	subject := object{"stream_id": r.streamID(), "subject": object{"format": "email", "email": "a@example.com"}}
	got, err := c.retrying(r, http.MethodPost, r.endpoint("add_subject_endpoint"), subject)
	if err == nil {
		err = got.wanted(200)
	}
	if err != nil {
		return fmt.Errorf("add subject: %w", err)
	}
	got, err = c.retrying(r, http.MethodPost, r.endpoint("remove_subject_endpoint"), subject)
	if err := c.told(r, "remove subject", got, err); err != nil {
		return err
	}
	got, err = c.retrying(r, http.MethodDelete, r.endpoint("configuration_endpoint")+"?stream_id="+r.streamID(), nil)
	if err == nil {
		err = got.wanted(204)
	}
	return err
}
