#!/usr/bin/env python3
"""A foreign JOSE implementation (joserfc) for the tests: signs as our peers do, and judges what the hub signs.

First line out: the public keys, as a JWKS (one key each for RS256, PS256, ES256, EdDSA; kid = the algorithm; then
those for RS512, PS512, ES384).
Then one answer line for each line in:
  {"sign": PAYLOAD, "header": {"alg": ...}}          -> {"jws": COMPACT}; PAYLOAD is a text, signed byte for byte
  {"verify": COMPACT, "jwks": {...}, "algs": [...]}  -> {"header": {...}, "payload": TEXT}
or {"error": "..."}. Ends with its input.
"""
import json, sys
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

KEYS = {
    "RS256": RSAKey.generate_key(2048, {"kid": "RS256", "alg": "RS256", "use": "sig"}),
    "PS256": RSAKey.generate_key(2048, {"kid": "PS256", "alg": "PS256", "use": "sig"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ES256", "alg": "ES256", "use": "sig"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "EdDSA", "alg": "EdDSA", "use": "sig"}),
}
# What no SET may be signed with. The public ones stand in the JWKS too, so that only the algorithm is at fault.
OTHERS = {
    "RS512": RSAKey.generate_key(2048, {"kid": "RS512", "use": "sig"}),
    "PS512": RSAKey.generate_key(2048, {"kid": "PS512", "use": "sig"}),
    "ES384": ECKey.generate_key("P-384", {"kid": "ES384", "use": "sig"}),
    "HS256": OctKey.import_key("a secret that both would have to know", {"kid": "HS256"}),
    "none": OctKey.import_key("nothing is signed with it", {"kid": "none"}),
}


def answer(asked):
    if "sign" in asked:
        header = asked["header"]
        header.setdefault("kid", header["alg"])
        return {"jws": jws.serialize_compact(header, asked["sign"], {**KEYS, **OTHERS}[header["alg"]], algorithms=[header["alg"]])}
    found = jws.deserialize_compact(asked["verify"], KeySet.import_key_set(asked["jwks"]), algorithms=asked["algs"])
    return {"header": found.headers(), "payload": found.payload.decode()}


def main():
    published = [*KEYS.values(), *(OTHERS[alg] for alg in ("RS512", "PS512", "ES384"))]
    print(json.dumps({"keys": [key.as_dict(private=False) for key in published]}), flush=True)
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:  # whatever it is, the test wants to see it
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
