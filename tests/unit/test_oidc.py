"""Push tokens with real signatures: the right one is let in, every other is told why not."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from flask import Flask, jsonify
from werkzeug.serving import make_server

from sandbox import keys
from shared.adapters.oidc import OidcVerifier
from shared.config import PushSettings
from shared.errors import KeysUnavailable, Unauthorized


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return keys.private_key(tmp_path_factory.mktemp("keys") / "bus.pem")


@pytest.fixture(scope="module")
def certs_url(signing_key: str) -> Iterator[str]:
    app = Flask("certs")
    app.add_url_rule("/certs", view_func=lambda: jsonify(keys.key_set(signing_key)))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certs"
    server.shutdown()
    thread.join()


def _verifier(certs_url: str, audience: str = keys.AUDIENCE) -> OidcVerifier:
    return OidcVerifier(PushSettings(audience, keys.PUSH_ACCOUNT, keys.ISSUER, certs_url))


def _token(signing_key: str, **changes: object) -> str:
    now = int(time.time())
    claims = {"iss": keys.ISSUER, "aud": keys.AUDIENCE, "email": keys.PUSH_ACCOUNT, "email_verified": True, "iat": now, "exp": now + 60}
    return jwt.encode({**claims, **changes}, signing_key, algorithm="RS256", headers={"kid": keys.KEY_ID})


def test_the_push_service_account_is_let_in(signing_key: str, certs_url: str) -> None:
    _verifier(certs_url).verify(f"Bearer {keys.push_token(signing_key)}")
    _verifier(certs_url).verify(f"Bearer {_token(signing_key)}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"aud": "https://elsewhere.example"}, "udience"),
        ({"iss": "https://forger.example"}, "ssuer"),
        ({"email": "somebody@example-project.iam.gserviceaccount.com"}, "another account"),
        ({"email_verified": False}, "another account"),
    ],
)
def test_a_token_that_says_something_else_is_refused(signing_key: str, certs_url: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(Unauthorized, match=said):
        _verifier(certs_url).verify(f"Bearer {_token(signing_key, **changes)}")


def test_a_forged_signature_is_refused(certs_url: str, tmp_path: Path) -> None:
    forger = keys.private_key(tmp_path / "forger.pem")
    with pytest.raises(Unauthorized, match="not valid"):
        _verifier(certs_url).verify(f"Bearer {_token(forger)}")


@pytest.mark.parametrize("header", ["", "Bearer ", "Basic abc", "Bearer not.a.token", "good"])
def test_no_token_is_refused(certs_url: str, header: str) -> None:
    with pytest.raises(Unauthorized):
        _verifier(certs_url).verify(header)


def test_without_an_audience_configured_nobody_is_let_in(signing_key: str, certs_url: str) -> None:
    with pytest.raises(Unauthorized):
        _verifier(certs_url, audience="").verify(f"Bearer {_token(signing_key)}")


def test_keys_that_cannot_be_fetched_are_no_refusal(signing_key: str) -> None:
    with pytest.raises(KeysUnavailable):
        _verifier("http://127.0.0.1:9/certs").verify(f"Bearer {_token(signing_key)}")
