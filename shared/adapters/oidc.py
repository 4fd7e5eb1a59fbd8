"""Who is pushing? Verifies the OIDC token that Pub/Sub and Scheduler sign with a service account."""

import jwt

from shared.config import PushSettings
from shared.errors import KeysUnavailable, Unauthorized

_LEEWAY_SECONDS = 30


class OidcVerifier:
    """Signature, issuer, audience, expiry and account must all be those expected."""

    def __init__(self, settings: PushSettings) -> None:
        self._settings = settings
        self._keys = jwt.PyJWKClient(settings.certs_url, cache_keys=True, timeout=10)

    def verify(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("The request carries no bearer token.", fix="Push with an OIDC token of the push service account.")
        try:
            key = self._keys.get_signing_key_from_jwt(token).key
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.PyJWKClientConnectionError as fault:
            raise KeysUnavailable(f"The token keys cannot be fetched: {fault}", fix="Check egress to the certificate address.") from fault
        except jwt.PyJWTError as fault:
            raise Unauthorized(f"The token is not valid: {fault}", fix="Check the subscription's audience and account.") from fault
        if claims.get("email") != self._settings.account or claims.get("email_verified") is not True:
            raise Unauthorized("The token is of another account.", fix="Check LEADSCORE_PUSH_ACCOUNT against the subscription.")
