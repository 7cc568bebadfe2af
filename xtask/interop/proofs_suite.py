"""Proofs that others made, against a broker: `proofs_suite.py FOLDER`, one TAP-like line for each check.

PyJWT makes keys and tokens, Debian's mosquitto_passwd a password file, and an http.server answers for whoever neither
knows. All that the broker reads is put into the folder; `config FILE` says where its config is, and the broker's host
and port come back on standard input. Clients are paho-mqtt's.
"""

import base64
import hashlib
import hmac
import http.server
import json
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path

import jwt
import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE = 10.0
ISSUER, AUDIENCE = "https://id.example.org", "mqtt"
NOT_AUTHORIZED, BAD_PASSWORD, UNAVAILABLE = 0x87, 0x86, 0x88

ROLES = """
[roles.device]
publish = ["site/{claim.site}/#"]
[roles.person]
publish = ["home/{username}/#"]
[[bind]]
user = "*"
roles = ["person"]
"""


class Answers(http.server.BaseHTTPRequestHandler):
    """Knows carol by her password, and is broken for dave."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked.get("username") == "carol" and asked.get("password") == "open sesame"
        if asked.get("username") == "dave":
            self.send_error(500)
            return
        answer = {"result": "allow", "username": "caroline"} if known else {"result": "deny"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Issuer:
    """The keys of whoever makes tokens, and tokens."""

    def __init__(self):
        self.keys = {
            "HS256": secrets.token_bytes(32),
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def key_set(self):
        writers = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        keys = [{"kty": "oct", "alg": "HS256", "kid": "HS256", "k": text(self.keys["HS256"])}]
        for name, key in list(self.keys.items())[1:]:
            written = json.loads(writers[name].to_jwk(key.public_key()))
            keys.append({**{k: v for k, v in written.items() if k != "key_ops"}, "kid": name})
        return json.dumps({"keys": keys})

    def token(self, algorithm, key=None, **claims):
        now = int(time.time())
        claims = {
            "sub": "meter-7", "iss": ISSUER, "aud": AUDIENCE, "exp": now + 300,
            "roles": ["device"], "site": "berlin", **claims,
        }
        key = key if key is not None else self.keys.get(algorithm)
        return jwt.encode(claims, key, algorithm, headers={"kid": algorithm})

    def confused(self):
        """HS256 with the text of the RSA key as the secret, which PyJWT does not make."""
        secret = self.keys["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _, body, _ = self.token("RS256").split(".")
        head = text(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "RS256"}).encode())
        signed = f"{head}.{body}"
        return f"{signed}.{text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def text(some):
    return base64.urlsafe_b64encode(some).rstrip(b"=").decode()


def make_passwords(folder):
    path = folder / "passwords"
    for kind, user in (("sha512-pbkdf2", "anna"), ("sha512", "bert")):
        create = [] if path.exists() else ["-c"]
        subprocess.run(
            ["mosquitto_passwd", "-H", kind, *create, "-b", str(path), user, f"{user}'s word"],
            check=True, stderr=subprocess.DEVNULL,
        )
    path.chmod(0o600)
    hashes = path.read_text()
    assert "anna:$7$" in hashes and "bert:$6$" in hashes, hashes
    return path


def write_config(folder, issuer, port):
    (folder / "keys.json").write_text(issuer.key_set())
    (folder / "roles.toml").write_text(ROLES)
    config = folder / "proofs.toml"
    config.write_text(f"""
[[listener]]
name = "mqtt"
bind = "127.0.0.1:0"
[acl]
file = "{folder / 'roles.toml'}"
[auth]
password_file = "{make_passwords(folder)}"
[auth.jwt]
jwks_file = "{folder / 'keys.json'}"
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
roles_claim = "roles"
claims = ["site"]
[auth.http]
url = "http://127.0.0.1:{port}/"
""")
    return config


class Peer:
    """One client of MQTT 5.0; `code` is what CONNACK said."""

    def __init__(self, address, username, password):
        self.code = None
        self._acknowledged = {}
        self._changed = threading.Condition()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.username_pw_set(username, password)
        self._client.on_connect = lambda _c, _u, _f, code, _p: self._note("code", code.value)
        self._client.on_publish = lambda _c, _u, mid, code, _p: self._note(mid, code.value)
        self._client.connect(*address)
        self._client.loop_start()
        with self._changed:
            assert self._changed.wait_for(lambda: self.code is not None, DEADLINE), "no CONNACK"

    def _note(self, what, code):
        with self._changed:
            if what == "code":
                self.code = code
            else:
                self._acknowledged[what] = code
            self._changed.notify_all()

    def publish(self, topic):
        mid = self._client.publish(topic, "x", qos=1).mid
        with self._changed:
            assert self._changed.wait_for(lambda: mid in self._acknowledged, DEADLINE), "no PUBACK"
            return self._acknowledged[mid]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def checks(issuer):
    """Name, user name, password, code of CONNACK, what it may publish to, what not."""
    now = int(time.time())
    device = ("site/berlin/x", "site/paris/x")
    for algorithm in issuer.keys:
        yield f"token {algorithm}", "anybody", issuer.token(algorithm), 0, device
    other = Issuer().token("RS256")
    forged = issuer.token("ES256")
    forged = forged[:-4] + ("AAAA" if forged[-4:] != "AAAA" else "BBBB")
    yield "token of a stranger", "meter-7", other, BAD_PASSWORD, None
    yield "token with another signature", "meter-7", forged, BAD_PASSWORD, None
    yield "token without a signature", "meter-7", issuer.token("none", key=""), BAD_PASSWORD, None
    yield "token with a public key as the secret", "meter-7", issuer.confused(), BAD_PASSWORD, None
    yield "token that has ended", "meter-7", issuer.token("RS256", exp=now - 300), NOT_AUTHORIZED, None
    yield "token that begins later", "meter-7", issuer.token("RS256", nbf=now + 300), NOT_AUTHORIZED, None
    yield "token for somebody else", "meter-7", issuer.token("RS256", aud="mail"), NOT_AUTHORIZED, None
    for hashed, user in (("$7$", "anna"), ("$6$", "bert")):
        yield f"password {hashed}", user, f"{user}'s word", 0, (f"home/{user}/x", "home/x/x")
        yield f"wrong password {hashed}", user, "guess", BAD_PASSWORD, None
    yield "callback that knows her", "carol", "open sesame", 0, ("home/caroline/x", "home/carol/x")
    yield "callback that does not", "carol", "guess", BAD_PASSWORD, None
    yield "callback that is broken", "dave", "x", UNAVAILABLE, None


def check(address, username, password, code, topics):
    peer = Peer(address, username, password)
    try:
        assert peer.code == code, f"CONNACK {peer.code:#x}, not {code:#x}"
        for topic, allowed in zip(topics or (), (True, False)):
            answer = peer.publish(topic)
            assert (answer < 0x80) == allowed, f"{topic}: {answer:#x}"
    finally:
        peer.close()


def main(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer = Issuer()
    print("config", write_config(folder, issuer, server.server_port), flush=True)
    host, port = sys.stdin.readline().split()
    for name, *rest in checks(issuer):
        try:
            check((host, int(port)), *rest)
            print(f"ok {name}", flush=True)
        except Exception as error:
            print(f"not ok {name} # {error!r}", flush=True)
    print("done", flush=True)


main(Path(sys.argv[1]))
