"""The values the functions prove themselves with: there, and of the form they must have. None is ever shown."""

from collections.abc import Iterator

from cryptography.hazmat.primitives import serialization

from ops.doctor import declared
from ops.doctor.check import Line, green, red
from ops.doctor.place import Place
from shared.config import Settings

PRIVATE_KEY = "salesforce-private-key"


def value(settings: Settings, secret: str) -> str:
    """The setting that a secret fills. KeyError for one that no setting is read from."""
    salesforce = settings.salesforce
    return {
        "ingress-secret": settings.ingress_secret,
        "salesforce-consumer-key": salesforce.consumer_key,
        PRIVATE_KEY: salesforce.private_key,
    }[secret]


def given(place: Place) -> Iterator[Line]:
    """A sandbox's: made with the world, told in its settings."""
    for secret in declared.secrets():
        wrong = misfit(secret, value(place.settings, secret))
        yield red(f"secret {secret}", wrong, place.apply) if wrong else green(f"secret {secret}", "is set")


def misfit(secret: str, text: str) -> str:
    """Why this value is none, empty when it will do."""
    if not text.strip():
        return "is empty: it would refuse everybody"
    if secret == PRIVATE_KEY:
        try:
            serialization.load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError):
            return "is no private key in PEM form"
    return ""
