// A thin SSF receiver on Node's `jose`: finds the transmitter, gets a token, makes a stream, verifies it, receives one
// event, pauses, enables, deletes. See ../README.md for the arguments and what is printed.
import http from "node:http";
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { createRemoteJWKSet, jwtVerify } from "jose";

const VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const { values: asked } = parseArgs({
  options: { issuer: { type: "string" }, mode: { type: "string" }, client: { type: "string" }, bearer: { type: "string" } },
});

function need(what, holds) {
  if (!holds) throw new Error(what);
}

function wellKnown(name) {
  const url = new URL(asked.issuer);
  return `${url.origin}/.well-known/${name}${url.pathname}`;
}

async function call(method, url, wanted, body, bearer) {
  const headers = { accept: "application/json" };
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
  const text = await answer.text();
  need(`${method} ${url}: ${answer.status}, wanted ${wanted}: ${text}`, answer.status === wanted);
  return text ? JSON.parse(text) : null;
}

async function token() {
  if (asked.bearer) return asked.bearer;
  const server = await call("GET", wellKnown("oauth-authorization-server"), 200);
  const [client_id, client_secret] = asked.client.split(":");
  const answer = await fetch(server.token_endpoint, {
    method: "POST", // client_secret_post
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "ssf.manage", client_id, client_secret }),
  });
  const given = await answer.json();
  need(`token: ${answer.status} ${JSON.stringify(given)}`, answer.status === 200);
  return given.access_token;
}

/** A push endpoint: its URL, the Authorization that it wants, and a queue of what came. */
async function listen() {
  const secret = `Bearer ${randomBytes(16).toString("base64url")}`;
  const waiting = [];
  let wake = () => {};
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const good = request.headers.authorization === secret && request.headers["content-type"] === "application/secevent+jwt";
    response.writeHead(good ? 202 : 401).end();
    if (good) waiting.push(Buffer.concat(chunks).toString());
    wake();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const next = async () => {
    while (!waiting.length) await new Promise((done) => (wake = done));
    return waiting.shift();
  };
  return { url: `http://127.0.0.1:${server.address().port}/events`, secret, next };
}

async function main() {
  const meta = await call("GET", wellKnown("ssf-configuration"), 200);
  need(`another issuer: ${meta.issuer}`, meta.issuer === asked.issuer);
  const bearer = await token();
  const manage = (method, url, wanted, body) => call(method, url, wanted, body, bearer);
  const push = asked.mode === "push" ? await listen() : null;
  const delivery = push
    ? { method: "urn:ietf:rfc:8935", endpoint_url: push.url, authorization_header: push.secret }
    : { method: "urn:ietf:rfc:8936" };
  const stream = await manage("POST", meta.configuration_endpoint, 201, { delivery, events_requested: [SESSION_REVOKED] });
  need(`stream: ${JSON.stringify(stream)}`, stream.iss === asked.issuer && stream.stream_id && stream.delivery.endpoint_url);
  const query = `?stream_id=${encodeURIComponent(stream.stream_id)}`;

  const keys = createRemoteJWKSet(new URL(meta.jwks_uri));
  const seen = [];
  const options = { issuer: asked.issuer, audience: stream.aud, typ: "secevent+jwt", algorithms: ["RS256", "ES256"] };
  const judged = async (compact) => {
    const { payload, protectedHeader } = await jwtVerify(compact, keys, options);
    const [[event, members], ...more] = Object.entries(payload.events);
    need("more than one event", more.length === 0);
    seen.push({ alg: protectedHeader.alg, jti: payload.jti, txn: payload.txn, event, sub_id: payload.sub_id });
    return { event, members, sub_id: payload.sub_id };
  };
  let ack = [];
  const next = async () => {
    if (push) return judged(await push.next());
    for (;;) {
      const { sets } = await manage("POST", stream.delivery.endpoint_url, 200, { maxEvents: 1, ack }); // acknowledges as it asks on
      const [given] = Object.entries(sets);
      ack = given ? [given[0]] : [];
      if (given) return judged(given[1]);
    }
  };
  const waitFor = async (uri) => {
    for (;;) {
      const found = await next();
      if (found.event === uri) return found;
    }
  };

  const state = randomBytes(12).toString("base64url");
  await manage("POST", meta.verification_endpoint, 204, { stream_id: stream.stream_id, state });
  const verified = await waitFor(VERIFICATION);
  need(`state: ${JSON.stringify(verified)}`, verified.members.state === state && verified.sub_id.id === stream.stream_id);
  console.log(JSON.stringify({ step: "verified", stream_id: stream.stream_id }));
  await waitFor(SESSION_REVOKED);
  if (!push) await manage("POST", stream.delivery.endpoint_url, 200, { ack, maxEvents: 0, returnImmediately: true });
  for (const status of ["paused", "enabled"]) {
    await manage("POST", meta.status_endpoint, 200, { stream_id: stream.stream_id, status });
    need("status", (await manage("GET", meta.status_endpoint + query, 200)).status === status);
  }
  await manage("DELETE", meta.configuration_endpoint + query, 204);
  await manage("GET", meta.configuration_endpoint + query, 404);
  console.log(JSON.stringify({ step: "done", aud: stream.aud, seen }));
}

const tooLong = setTimeout(() => fail(new Error("not done within 180 s")), 180_000);
function fail(error) {
  console.error(`node: ${error.stack}`);
  process.exit(1);
}
main().then(() => clearTimeout(tooLong), fail).then(() => process.exit(0));
