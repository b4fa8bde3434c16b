#!/usr/bin/env python3
"""A real Keycloak as an SSF transmitter for tests (standard library only, loopback only, JDK 17 or newer).

  keycloak.py install   --dir DIR                  get it by Maven (checked), unpack it, start it once and stop it
  keycloak.py run       --dir DIR --addr ADDR      become the server on http://ADDR:8080, until a signal ends it
  keycloak.py configure --addr ADDR --push-urls P  wait until it serves, make the realm; prints settings as JSON

The first start ever takes longest: it rebuilds the server for its features (augmentation) and makes the database
schema. `install` does both, so that a test waits for neither. `kc.sh build` would not do: start-dev builds again.
"""
import argparse, hashlib, json, os, pathlib, shutil, signal, subprocess, sys, time
import urllib.error, urllib.parse, urllib.request, zipfile

VERSION = "26.7.3"
REALM = "ssf-test"
ADMIN_USER, ADMIN_PASSWORD = "admin", "admin-test-only"
INSTALL_ADDR = "127.77.0.251"
SPI = "--spi-ssf-transmitter--default--"
OPTIONS = [
    "start-dev", "--features=ssf", "--db=dev-file", "--http-port=8080",
    f"{SPI}allow-insecure-push-targets=true",
    f"{SPI}outbox-drainer-interval=500ms",              # default 30 s
    f"{SPI}min-verification-interval-seconds=0",        # default 60
    f"{SPI}push-endpoint-connect-timeout-millis=5000",
    f"{SPI}push-endpoint-socket-timeout-millis=5000",
]


def call(method, url, token=None, body=None, form=None, ok=(200, 201, 204), timeout=60):
    """One HTTP exchange: (status, parsed body, headers). A status outside `ok` ends the program with the answer."""
    headers, data = {"Accept": "application/json"}, None
    if token:
        headers["Authorization"] = "Bearer " + token
    if form is not None:
        data = urllib.parse.urlencode(form).encode()
    elif body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            status, text, headers = answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        status, text, headers = error.code, error.read().decode(), error.headers
    if ok and status not in ok:
        raise SystemExit(f"{method} {url} -> {status} {text[:400]}")
    try:
        return status, json.loads(text) if text else None, headers
    except ValueError:
        return status, text, headers


def home(directory):
    return directory.resolve() / f"keycloak-{VERSION}"


def fetch(directory):
    """The distribution, unpacked. Its one top folder is keycloak-VERSION."""
    name = f"keycloak-quarkus-dist-{VERSION}.zip"
    subprocess.run(["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={directory}",
                    f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"], check=True, stdout=sys.stderr)
    archive = directory / name
    with open(archive, "rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    sums = (pathlib.Path(__file__).parent / "SHA256SUMS").read_text().split()
    if sums != [found, name]:
        raise SystemExit(f"{name}: SHA-256 {found} is not the one in SHA256SUMS")
    with zipfile.ZipFile(archive) as z:
        z.extractall(directory)
    archive.unlink()
    (home(directory) / "bin" / "kc.sh").chmod(0o755)  # zipfile drops the bit


def install(directory):
    done, stamp = directory / ".done", "\n".join([VERSION, *OPTIONS])
    if done.exists() and done.read_text() == stamp:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    fetch(directory)
    with open(directory / "install.log", "wb") as log:
        child = subprocess.Popen([sys.executable, __file__, "run", "--dir", str(directory), "--addr", INSTALL_ADDR],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_ready(f"http://{INSTALL_ADDR}:8080", 600, lambda: child.poll() is None)
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(60)
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    shutil.copytree(home(directory) / "data" / "h2", directory / "h2")
    done.write_text(stamp)


def run(directory, addr):
    # A test ends the server by SIGKILL: each run begins with the database as it was when installed.
    if (directory / "h2").exists():
        shutil.rmtree(home(directory) / "data" / "h2", ignore_errors=True)
        shutil.copytree(directory / "h2", home(directory) / "data" / "h2")
    env = dict(os.environ, KC_BOOTSTRAP_ADMIN_USERNAME=ADMIN_USER, KC_BOOTSTRAP_ADMIN_PASSWORD=ADMIN_PASSWORD,
               JAVA_OPTS_KC_HEAP="-Xms64m -Xmx512m")
    kc = str(home(directory) / "bin" / "kc.sh")
    # Without a fixed hostname the iss of a SET follows the Host of the request that caused it.
    os.execve(kc, [kc, *OPTIONS, f"--http-host={addr}", f"--hostname=http://{addr}:8080"], env)


def wait_ready(url, seconds, alive=lambda: True):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not alive():
            raise SystemExit("keycloak ended before it served; see its log")
        try:
            if call("GET", f"{url}/realms/master", ok=None, timeout=10)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"keycloak did not serve within {seconds} s; see its log")


def configure(url, push_urls):
    """A new realm with receivers (clients that may have a stream), one client to log in by, and three users."""
    token = call("POST", f"{url}/realms/master/protocol/openid-connect/token", form={
        "grant_type": "password", "client_id": "admin-cli",
        "username": ADMIN_USER, "password": ADMIN_PASSWORD})[1]["access_token"]
    realm = f"{url}/admin/realms/{REALM}"
    # The client scopes ssf.read and ssf.manage come into being with the realm, after the import of the clients in
    # the same request: so clients are made in a second step.
    call("POST", f"{url}/admin/realms", token, {
        "realm": REALM, "enabled": True, "sslRequired": "none", "accessTokenLifespan": 3600,
        "ssoSessionIdleTimeout": 36000, "attributes": {"ssf.transmitterEnabled": "true"}})
    receivers = make_receivers(realm, token, push_urls)
    call("POST", f"{realm}/clients", token, {
        "clientId": "login-app", "protocol": "openid-connect", "publicClient": True,
        "directAccessGrantsEnabled": True, "redirectUris": ["http://127.0.0.1/*"]})
    issuer = f"{url}/realms/{REALM}"
    return {"url": url, "realm": REALM, "issuer": issuer, "login_client": "login-app",
            "admin": {"username": ADMIN_USER, "password": ADMIN_PASSWORD, "client_id": "admin-cli", "api": realm,
                      "token_endpoint": f"{url}/realms/master/protocol/openid-connect/token"},
            "token_endpoint": f"{issuer}/protocol/openid-connect/token", "scope": "ssf.read ssf.manage",
            "receivers": receivers, "users": make_users(realm, token),
            "metadata": call("GET", f"{issuer}/.well-known/ssf-configuration")[1]}


def make_receivers(realm, token, push_urls):
    base = {"protocol": "openid-connect", "enabled": True, "publicClient": False, "serviceAccountsEnabled": True,
            "standardFlowEnabled": False, "directAccessGrantsEnabled": False,
            "defaultClientScopes": ["basic", "roles", "acr", "profile", "email"],
            "optionalClientScopes": ["ssf.read", "ssf.manage"]}
    push = {"ssf.validPushUrls": push_urls}
    receivers = {}
    for name, attributes in {
        "ssf-poll": {"ssf.allowedDeliveryMethods": "POLL"},
        "ssf-push": {"ssf.allowedDeliveryMethods": "PUSH", **push},
        "ssf-push-email": {"ssf.userSubjectFormat": "email", "ssf.autoVerifyStream": "true", **push},
        "ssf-push-legacy": {"ssf.profile": "SSE_CAEP", **push},
        "ssf-opt-in": {"ssf.defaultSubjects": "NONE", "ssf.autoVerifyStream": "true", **push},
    }.items():
        attributes = {"ssf.enabled": "true", "ssf.defaultSubjects": "ALL", **attributes}
        call("POST", f"{realm}/clients", token,
             dict(base, clientId=name, secret=f"{name}-secret", attributes=attributes))
        receivers[name] = {"client_id": name, "client_secret": f"{name}-secret"}
    return receivers


def make_users(realm, token):
    users = {}
    for name in ("alice", "bob", "carol"):
        password, email = f"{name}-password", f"{name}@example.com"
        _, _, headers = call("POST", f"{realm}/users", token, {
            "username": name, "enabled": True, "email": email, "emailVerified": True,
            "firstName": name.title(), "lastName": "Example",  # without them the account is "not fully set up"
            "credentials": [{"type": "password", "value": password, "temporary": False}]})
        users[name] = {"id": headers["Location"].rsplit("/", 1)[1], "username": name, "email": email, "password": password}
    return users


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["install", "run", "configure"])
    p.add_argument("--dir", type=pathlib.Path)
    p.add_argument("--addr")
    p.add_argument("--push-urls", default="", help="##-separated; each exact or with a trailing *; a bare * is ignored")
    a = p.parse_args()
    if a.command == "install":
        install(a.dir)
    elif a.command == "run":
        run(a.dir, a.addr)
    else:
        url = f"http://{a.addr}:8080"
        wait_ready(url, 170)
        print(json.dumps(configure(url, a.push_urls)))


if __name__ == "__main__":
    main()
