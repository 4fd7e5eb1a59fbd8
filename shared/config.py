"""Settings, read once from the environment. The names are the contract with `infra/`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class SalesforceSettings:
    """The JWT bearer login of the integration user, and the org whose outbound messages are taken.

    `url` is set only where a sandbox server is meant.
    """

    domain: str
    username: str
    consumer_key: str
    private_key: str
    url: str
    organization_id: str = ""


@dataclass(frozen=True, slots=True)
class PushSettings:
    """Who may push to our endpoints: audience and account of the OIDC token, and where its keys are."""

    audience: str
    account: str
    issuer: str
    certs_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the system runs. `backend` is `local` (a world directory) or `gcp`.

    What a function does not use may be empty for it: what an empty secret or audience guards refuses everybody.
    """

    backend: str
    project: str
    bucket: str
    dataset_prefix: str
    world: Path
    bus_url: str
    policies: Path
    ingress_secret: str
    salesforce: SalesforceSettings
    push: PushSettings
    max_delivery_attempts: int
    champion_ttl_seconds: float


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read every setting; ConfigError names the first variable that is missing or not usable."""
    backend = environ.get("LEADSCORE_BACKEND", "gcp")
    if backend not in {"local", "gcp"}:
        raise ConfigError(f"LEADSCORE_BACKEND is {backend!r}.", fix="Set it to local or gcp.")
    return Settings(
        backend=backend,
        project=environ.get("LEADSCORE_PROJECT", "example-project") if backend == "local" else _required(environ, "LEADSCORE_PROJECT"),
        bucket="" if backend == "local" else _required(environ, "LEADSCORE_BUCKET"),
        dataset_prefix=environ.get("LEADSCORE_DATASET_PREFIX", ""),
        world=Path(_required(environ, "LEADSCORE_WORLD")) if backend == "local" else Path(),
        bus_url=environ.get("LEADSCORE_BUS_URL", ""),
        policies=Path(environ.get("LEADSCORE_POLICIES", str(ROOT / "policies"))),
        ingress_secret=environ.get("LEADSCORE_INGRESS_SECRET", ""),
        salesforce=SalesforceSettings(
            domain=environ.get("SALESFORCE_DOMAIN", "login"),
            username=environ.get("SALESFORCE_USERNAME", ""),
            consumer_key=environ.get("SALESFORCE_CONSUMER_KEY", ""),
            private_key=environ.get("SALESFORCE_PRIVATE_KEY", ""),
            url=environ.get("SALESFORCE_URL", ""),
            organization_id=environ.get("SALESFORCE_ORGANIZATION_ID", ""),
        ),
        push=PushSettings(
            audience=environ.get("LEADSCORE_PUSH_AUDIENCE", ""),
            account=environ.get("LEADSCORE_PUSH_ACCOUNT", ""),
            issuer=environ.get("LEADSCORE_PUSH_ISSUER", "https://accounts.google.com"),
            certs_url=environ.get("LEADSCORE_PUSH_CERTS_URL", "https://www.googleapis.com/oauth2/v3/certs"),
        ),
        max_delivery_attempts=_number(environ, "LEADSCORE_MAX_DELIVERY_ATTEMPTS", 5),
        champion_ttl_seconds=_number(environ, "LEADSCORE_CHAMPION_TTL_SECONDS", 30),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set.", fix=f"Set {name}; docs/operations.md lists every setting.")
    return value


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"{name} is {text!r}, not a whole number.", fix=f"Set {name} to a number such as {default}.")
    return int(text)
