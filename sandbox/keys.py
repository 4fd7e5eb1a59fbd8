"""Keys and tokens of the sandbox: made anew for each world, worth nothing outside it."""

import json
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://accounts.google.com"
AUDIENCE = "https://functions.sandbox.example"
PUSH_ACCOUNT = "push@example-project.iam.gserviceaccount.com"
KEY_ID = "sandbox"


def private_key(path: Path) -> str:
    """The PEM at `path`, made on first use."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(pem)
    return path.read_text()


def public_key(pem: str) -> str:
    key = serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def key_set(pem: str) -> dict[str, list[dict[str, str]]]:
    """The public half as a JSON Web Key Set, as Google publishes its own."""
    key = json.loads(RSAAlgorithm.to_jwk(RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(public_key(pem))))
    return {"keys": [{**key, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}


def push_token(pem: str, *, lifetime_seconds: int = 3600) -> str:
    """An OIDC token of the push service account, shaped like Google's."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "email": PUSH_ACCOUNT, "email_verified": True, "sub": "1", "iat": now}
    return jwt.encode({**claims, "exp": now + lifetime_seconds}, pem, algorithm="RS256", headers={"kid": KEY_ID})
