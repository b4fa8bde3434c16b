#!/usr/bin/env python3
"""A thin SSF receiver on joserfc: finds the transmitter, gets a token, makes a stream, verifies it, receives one
event, pauses, enables, changes, deletes. See ../README.md for the arguments and what is printed.

Shapes: `plain` uses all of SSF 1.0; `okta` wants the subject inside the event too, by roles and without a `format` of its
own, as Okta's API does, and in no event of SSF itself.
"""
import argparse, base64, http.server, json, queue, secrets, sys, threading, time, urllib.error, urllib.parse, urllib.request
from joserfc import jws
from joserfc.jwk import KeySet

VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


def need(what, holds):
    if not holds:
        raise SystemExit(f"python: {what}")


def listed(aud):
    return aud if isinstance(aud, list) else [aud]


def http_json(method, url, body=None, headers=None, form=None):
    """Status, headers and JSON (or None) of one exchange."""
    headers = {"Accept": "application/json", **(headers or {})}
    data = None
    if form is not None:
        data, headers["Content-Type"] = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
    elif body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(urllib.request.Request(url, data, headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    return answer.status, answer.headers, json.loads(text) if text else None


class Receiver:
    def __init__(self, asked):
        self.asked, self.sets, self.seen = asked, queue.Queue(), []
        url = urllib.parse.urlsplit(asked.issuer)
        self.well_known = lambda name: f"{url.scheme}://{url.netloc}/.well-known/{name}{url.path}"
        status, headers, self.meta = http_json("GET", self.well_known("ssf-configuration"))
        need(f"metadata: {status}", status == 200 and headers.get_content_type() == "application/json")
        need(f"another issuer: {self.meta['issuer']}", self.meta["issuer"] == asked.issuer)
        self.bearer = asked.bearer or self.token()

    def token(self):
        status, _, server = http_json("GET", self.well_known("oauth-authorization-server"))
        need(f"authorization server: {status}", status == 200 and server["issuer"] == self.asked.issuer)
        basic = base64.b64encode(self.asked.client.encode()).decode()
        form = {"grant_type": "client_credentials", "scope": "ssf.read ssf.manage"}
        status, _, answer = http_json("POST", server["token_endpoint"], None, {"Authorization": f"Basic {basic}"}, form)
        need(f"token: {status} {answer}", status == 200 and answer["token_type"].lower() == "bearer")
        need(f"it lives too long: {answer['expires_in']}", answer["expires_in"] <= 3600)
        return answer["access_token"]

    def call(self, method, url, body=None, wanted=200):
        status, _, answer = http_json(method, url, body, {"Authorization": f"Bearer {self.bearer}"})
        need(f"{method} {url}: {status}, wanted {wanted}: {answer}", status == wanted)
        return answer

    def checked(self, compact):
        """Header and claims of a SET of this transmitter."""
        _, _, jwks = http_json("GET", self.meta["jwks_uri"])
        found = jws.deserialize_compact(compact, KeySet.import_key_set(jwks), algorithms=["RS256", "ES256"])
        header, claims = found.headers(), json.loads(found.payload)
        need(f"typ: {header}", header["typ"] == "secevent+jwt" and header["kid"])
        need(f"iss: {claims}", claims["iss"] == self.asked.issuer)
        need(f"aud: {claims}", listed(claims["aud"]) == listed(self.config["aud"]))
        need(f"sub or exp: {claims}", "sub" not in claims and "exp" not in claims)
        need(f"events: {claims}", len(claims["events"]) == 1)
        (uri, event), = claims["events"].items()
        need(f"a subject in an event of SSF: {event}", "/secevent/ssf/" not in uri or "subject" not in event)
        self.seen.append({"alg": header["alg"], "jti": claims["jti"], "txn": claims.get("txn"), "event": uri, "sub_id": claims["sub_id"]})
        return uri, event, claims["sub_id"]

    def listen(self):
        """A push endpoint; its URL and the Authorization that it wants."""
        secret, sets = f"Bearer {secrets.token_urlsafe(16)}", self.sets

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                good = self.headers["Authorization"] == secret and self.headers["Content-Type"] == "application/secevent+jwt"
                self.send_response(202 if good else 400)
                error = b"" if good else b'{"err":"authentication_failed","description":"who are you?"}'
                self.send_header("Content-Length", str(len(error)))
                self.end_headers()
                self.wfile.write(error)
                if good:
                    sets.put(body)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/events", secret

    def poll(self, **asked):
        return self.call("POST", self.config["delivery"]["endpoint_url"], {"maxEvents": 10, **asked})["sets"]

    def next(self):
        """The next SET, acknowledged only when it was judged."""
        if self.asked.mode == "push":
            return self.checked(self.sets.get(timeout=90))
        end = time.monotonic() + 90
        while time.monotonic() < end:
            for jti, compact in self.poll().items():  # a long poll
                found = self.checked(compact)
                need("jti", self.seen[-1]["jti"] == jti)
                need("acknowledged, and offered again", jti not in self.poll(ack=[jti], returnImmediately=True))
                return found
        raise SystemExit("python: no SET within 90 s")

    def wait_for(self, uri):
        while True:
            found = self.next()
            if found[0] == uri:
                return found

    def create(self):
        delivery = {"method": POLL}
        if self.asked.mode == "push":
            url, secret = self.listen()
            delivery = {"method": PUSH, "endpoint_url": url, "authorization_header": secret}
        wanted = {"events_requested": [SESSION_REVOKED, "urn:example:unheard-of"], "delivery": delivery, "description": "a test"}
        self.config = self.call("POST", self.meta["configuration_endpoint"], wanted, 201)
        need(f"stream: {self.config}", self.config["iss"] == self.asked.issuer and self.config["events_delivered"] == [SESSION_REVOKED])
        need("the header comes back", "authorization_header" not in self.config["delivery"])
        self.query = f"?stream_id={self.config['stream_id']}"

    def verify(self):
        state = secrets.token_urlsafe(12)
        body = {"stream_id": self.config["stream_id"], "state": state}
        self.call("POST", self.meta["verification_endpoint"], body, 204)
        _, event, sub_id = self.wait_for(VERIFICATION)
        need(f"state: {event}", event["state"] == state)
        need(f"sub_id: {sub_id}", sub_id == {"format": "opaque", "id": self.config["stream_id"]})

    def manage(self):
        streams, stream_id = self.meta["configuration_endpoint"], self.config["stream_id"]
        need("list", [s["stream_id"] for s in self.call("GET", streams)].count(stream_id) == 1)
        need("read", self.call("GET", streams + self.query) == self.config)
        changed = self.call("PATCH", streams, {"stream_id": stream_id, "description": "changed"})
        need(f"patch: {changed}", changed == {**self.config, "description": "changed"})
        subject = {"stream_id": stream_id, "subject": {"format": "email", "email": "nobody@example.com"}}
        self.call("POST", self.meta["add_subject_endpoint"], {**subject, "verified": True})
        self.call("POST", self.meta["remove_subject_endpoint"], subject, 204)

    def status(self, status):
        url = self.meta["status_endpoint"]
        body = {"stream_id": self.config["stream_id"], "status": status, "reason": "a test"}
        need(f"status {status}", self.call("POST", url, body)["status"] == status)
        need(f"status {status}", self.call("GET", url + self.query)["status"] == status)

    def run(self):
        self.create()
        self.verify()
        self.manage()
        print(json.dumps({"step": "verified", "stream_id": self.config["stream_id"]}), flush=True)
        _, event, sub_id = self.wait_for(SESSION_REVOKED)
        if self.asked.shape == "okta":
            roles = {name: part for name, part in sub_id.items() if name != "format"}
            need(f"not complex: {sub_id}", sub_id["format"] == "complex" and "user" in roles)
            need(f"the subject in the event: {event}", event["subject"] == roles)
        else:
            need(f"a subject in the event: {event}", "subject" not in event)
        self.status("paused")
        self.status("enabled")
        streams = self.meta["configuration_endpoint"]
        self.call("DELETE", streams + self.query, None, 204)
        self.call("GET", streams + self.query, None, 404)
        print(json.dumps({"step": "done", "aud": self.config["aud"], "seen": self.seen}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--mode", choices=["push", "poll"], required=True)
    parser.add_argument("--client", help="ID:SECRET")
    parser.add_argument("--bearer")
    parser.add_argument("--shape", choices=["plain", "okta"], default="plain")
    Receiver(parser.parse_args()).run()
