import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONArrayUtils;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A thin SSF receiver on Nimbus, in the request shape of Quarkus' openid-ssf receiver: RS256 alone, RSA of 2048 bits
 * or more; metadata and keys without Authorization, keys cached until a kid is unknown; lists streams first and takes
 * one that fits; creates without iss and aud; polls with maxEvents 100 at once, draining on moreAvailable; answers a bad
 * push with 400 and no body, a wrong Authorization with 401. See ../README.md for the arguments and what is printed.
 */
public final class Receiver {
    private static final String VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    private static final String SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

    private final HttpClient http = HttpClient.newBuilder().proxy(ProxySelector.of(null)).version(HttpClient.Version.HTTP_1_1).build();
    private final Map<String, String> asked = new HashMap<>();
    private final LinkedBlockingQueue<String> waiting = new LinkedBlockingQueue<>();
    private final List<Object> seen = new ArrayList<>();
    private Map<String, Object> meta;
    private Map<String, Object> stream;
    private JWKSet keys = new JWKSet();
    private String bearer;
    private HttpServer server;

    public static void main(String[] args) {
        try {
            new Receiver(args).run();
            System.exit(0);
        } catch (Exception error) {
            System.err.println("java: " + error);
            error.printStackTrace();
            System.exit(1);
        }
    }

    private Receiver(String[] args) {
        for (int i = 0; i + 1 < args.length; i += 2) {
            asked.put(args[i].substring(2), args[i + 1]);
        }
    }

    private static void need(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }

    private String wellKnown(String name) {
        URI issuer = URI.create(asked.get("issuer"));
        return issuer.getScheme() + "://" + issuer.getAuthority() + "/.well-known/" + name + issuer.getPath();
    }

    private String send(HttpRequest.Builder request, int... wanted) throws Exception {
        HttpResponse<String> answer = http.send(request.timeout(Duration.ofSeconds(30)).build(), HttpResponse.BodyHandlers.ofString());
        boolean fits = java.util.Arrays.stream(wanted).anyMatch(status -> status == answer.statusCode());
        need(fits, answer.uri() + ": " + answer.statusCode() + " " + answer.body());
        return answer.body();
    }

    private Map<String, Object> open(String url) throws Exception {
        return JSONObjectUtils.parse(send(HttpRequest.newBuilder(URI.create(url)).header("Accept", "application/json"), 200));
    }

    private HttpRequest.Builder with(String method, String url, Map<String, Object> body) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).header("Authorization", "Bearer " + bearer).header("Accept", "application/json");
        if (body == null) {
            return request.method(method, HttpRequest.BodyPublishers.noBody());
        }
        return request.header("Content-Type", "application/json").method(method, HttpRequest.BodyPublishers.ofString(JSONObjectUtils.toJSONString(body)));
    }

    private String endpoint(String name) {
        return (String) meta.get(name);
    }

    private String streamId() {
        return (String) stream.get("stream_id");
    }

    private String token() throws Exception {
        if (asked.containsKey("bearer")) {
            return asked.get("bearer");
        }
        Map<String, Object> server = open(wellKnown("oauth-authorization-server"));
        String basic = Base64.getEncoder().encodeToString(asked.get("client").getBytes(StandardCharsets.UTF_8));
        String form = "grant_type=client_credentials&scope=" + URLEncoder.encode("ssf.read ssf.manage", StandardCharsets.UTF_8);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create((String) server.get("token_endpoint")))
                .header("Authorization", "Basic " + basic)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(form));
        return (String) JSONObjectUtils.parse(send(request, 200)).get("access_token");
    }

    /** Opens a push endpoint: its URL. */
    private String listen(String authorization) throws Exception {
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/events", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            boolean known = authorization.equals(exchange.getRequestHeaders().getFirst("Authorization"));
            boolean set = "application/secevent+jwt".equals(exchange.getRequestHeaders().getFirst("Content-Type"));
            exchange.sendResponseHeaders(known ? (set ? 202 : 400) : 401, -1);
            exchange.close();
            if (known && set) {
                waiting.add(new String(body, StandardCharsets.UTF_8));
            }
        });
        server.start();
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/events";
    }

    private void create() throws Exception {
        Map<String, Object> delivery = new LinkedHashMap<>();
        delivery.put("method", "urn:ietf:rfc:8936");
        if ("push".equals(asked.get("mode"))) {
            String authorization = "Bearer " + UUID.randomUUID();
            delivery.put("method", "urn:ietf:rfc:8935");
            delivery.put("endpoint_url", listen(authorization));
            delivery.put("authorization_header", authorization);
        }
        List<Object> streams = JSONArrayUtils.parse(send(with("GET", endpoint("configuration_endpoint"), null), 200));
        need(streams.isEmpty(), "streams that are not mine: " + streams);
        Map<String, Object> wanted = Map.of("delivery", delivery, "events_requested", List.of(SESSION_REVOKED), "description", "quarkus");
        stream = JSONObjectUtils.parse(send(with("POST", endpoint("configuration_endpoint"), wanted), 201));
        need(asked.get("issuer").equals(stream.get("iss")), "another issuer: " + stream);
        // It finds its stream again by its delivery.
        streams = JSONArrayUtils.parse(send(with("GET", endpoint("configuration_endpoint"), null), 200));
        need(streams.size() == 1 && stream.get("delivery").equals(((Map<?, ?>) streams.get(0)).get("delivery")), "list: " + streams);
    }

    /** Claims of a SET; keys are fetched where its kid is unknown. */
    private JWTClaimsSet judged(String compact) throws Exception {
        SignedJWT jwt = SignedJWT.parse(compact);
        String kid = jwt.getHeader().getKeyID();
        need(kid != null, "no kid");
        if (keys.getKeyByKeyId(kid) == null) {
            keys = JWKSet.parse(send(HttpRequest.newBuilder(URI.create(endpoint("jwks_uri"))), 200));
        }
        need(keys.getKeyByKeyId(kid) instanceof RSAKey rsa && rsa.size() >= 2048, "key of " + kid);
        DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
        // The default one refuses what every SET is.
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("secevent+jwt")));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, new ImmutableJWKSet<>(keys)));
        JWTClaimsSet claims = processor.process(jwt, null);
        need(asked.get("issuer").equals(claims.getIssuer()) && claims.getJWTID() != null && claims.getIssueTime() != null, "claims: " + claims);
        Object aud = stream.get("aud");
        need(claims.getAudience().equals(aud instanceof List ? aud : List.of(aud)), "aud: " + claims);
        Map<String, Object> events = claims.getJSONObjectClaim("events");
        need(events.size() == 1, "events: " + events);
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("alg", jwt.getHeader().getAlgorithm().getName());
        told.put("jti", claims.getJWTID());
        told.put("txn", claims.getClaim("txn"));
        told.put("event", events.keySet().iterator().next());
        told.put("sub_id", claims.getJSONObjectClaim("sub_id"));
        seen.add(told);
        return claims;
    }

    /** Polls until nothing more is available; what came waits, acknowledged with the next poll. */
    private void poll() throws Exception {
        boolean more = true;
        List<String> done = new ArrayList<>();
        while (more) {
            Map<String, Object> body = new LinkedHashMap<>(Map.of("maxEvents", 100, "returnImmediately", true));
            if (!done.isEmpty()) {
                body.put("ack", List.copyOf(done));
            }
            String from = (String) ((Map<?, ?>) stream.get("delivery")).get("endpoint_url");
            Map<String, Object> answer = JSONObjectUtils.parse(send(with("POST", from, body), 200));
            done.clear();
            for (Map.Entry<?, ?> set : ((Map<?, ?>) answer.get("sets")).entrySet()) {
                waiting.add((String) set.getValue());
                done.add((String) set.getKey());
            }
            more = Boolean.TRUE.equals(answer.get("moreAvailable")) || !done.isEmpty();
        }
    }

    private JWTClaimsSet next(String uri) throws Exception {
        boolean push = "push".equals(asked.get("mode"));
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(90); System.nanoTime() < end;) {
            if (!push && waiting.isEmpty()) {
                poll();
            }
            String compact = waiting.poll(100, TimeUnit.MILLISECONDS);
            JWTClaimsSet claims = compact == null ? null : judged(compact);
            if (claims != null && claims.getJSONObjectClaim("events").containsKey(uri)) {
                return claims;
            }
        }
        throw new IllegalStateException("no " + uri);
    }

    private void run() throws Exception {
        meta = open(wellKnown("ssf-configuration"));
        need(asked.get("issuer").equals(meta.get("issuer")), "another issuer: " + meta);
        bearer = token();
        create();
        String state = UUID.randomUUID().toString();
        send(with("POST", endpoint("verification_endpoint"), Map.of("stream_id", streamId(), "state", state)), 204);
        JWTClaimsSet verified = next(VERIFICATION);
        Map<?, ?> event = (Map<?, ?>) verified.getJSONObjectClaim("events").get(VERIFICATION);
        need(state.equals(event.get("state")), "state: " + verified);
        need(Map.of("format", "opaque", "id", streamId()).equals(verified.getJSONObjectClaim("sub_id")), "sub_id: " + verified);
        System.out.println(JSONObjectUtils.toJSONString(Map.of("step", "verified", "stream_id", streamId())));
        next(SESSION_REVOKED);
        String at = "?stream_id=" + URLEncoder.encode(streamId(), StandardCharsets.UTF_8);
        for (String status : List.of("paused", "enabled")) {
            send(with("POST", endpoint("status_endpoint"), Map.of("stream_id", streamId(), "status", status)), 200);
            Map<String, Object> now = JSONObjectUtils.parse(send(with("GET", endpoint("status_endpoint") + at, null), 200));
            need(status.equals(now.get("status")) && streamId().equals(now.get("stream_id")), "status: " + now);
        }
        send(with("DELETE", endpoint("configuration_endpoint") + at, null), 204);
        send(with("GET", endpoint("configuration_endpoint") + at, null), 404);
        if (server != null) {
            server.stop(0);
        }
        System.out.println(JSONObjectUtils.toJSONString(Map.of("step", "done", "aud", stream.get("aud"), "seen", seen)));
    }
}
