"""A message to new revisions that only Pub/Sub and Scheduler can reach, and what their log says of it."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deploy.traffic import CanaryFailed, Service, gcloud, say

PROBE_SECONDS = float(os.environ.get("CANARY_PROBE_SECONDS", "240"))
POLL_SECONDS = float(os.environ.get("CANARY_POLL_SECONDS", "5"))
TAG = "candidate"


def probe(candidates: Sequence[Service], push_account: str) -> None:
    """One message to all new revisions at their own addresses; each must log that very message before the time is over."""
    if not candidates:
        return
    name = f"canary-{os.environ['BUILD']}"
    with _topic(name), _listening(candidates, name, push_account):
        said = gcloud("pubsub", "topics", "publish", name, "--message=probe", f"--attribute=probe={name}", "--format=value(messageIds)")
        _await({service.latest: service for service in candidates}, said.strip("[]'\""))


@contextmanager
def _listening(candidates: Sequence[Service], topic: str, push_account: str) -> Iterator[None]:
    """A tag and a push subscription for each, taken away again whatever happens; one that is forgotten expires in a day."""
    made: list[Service] = []
    try:
        for service in candidates:
            made.append(service)
            _listen(service, topic, push_account)
        yield
    finally:
        for service in made:
            _tidy("pubsub", "subscriptions", "delete", f"{topic}-{service.name}")
            _tidy("run", "services", "update-traffic", service.name, f"--remove-tags={TAG}")


def _listen(service: Service, topic: str, push_account: str) -> None:
    gcloud("run", "services", "update-traffic", service.name, f"--update-tags={TAG}={service.latest}")
    status = json.loads(gcloud("run", "services", "describe", service.name, "--format", "json"))["status"]
    (address,) = (part["url"] for part in status["traffic"] if part.get("tag") == TAG)
    token = (f"--push-auth-service-account={push_account}", f"--push-auth-token-audience={service.uri}")
    limits = ("--ack-deadline=60", "--min-retry-delay=10s", "--max-retry-delay=30s", "--message-retention-duration=10m")
    where = (f"--topic={topic}", f"--push-endpoint={address}", *token, *limits, "--expiration-period=1d")
    gcloud("pubsub", "subscriptions", "create", f"{topic}-{service.name}", *where)


@contextmanager
def _topic(name: str) -> Iterator[None]:
    gcloud("pubsub", "topics", "create", name)
    try:
        yield
    finally:
        _tidy("pubsub", "topics", "delete", name)


def _tidy(*arguments: str) -> None:
    try:
        gcloud(*arguments)
    except CanaryFailed as fault:
        say(f"not tidied up: {fault}")


def _await(missing: "dict[str, Service]", message: str) -> None:
    until = time.monotonic() + PROBE_SECONDS
    while missing:
        for revision in list(missing):
            told = f'resource.labels.revision_name="{revision}" jsonPayload.message="revision_probed" jsonPayload.message_id="{message}"'
            if entries(told):
                say(f"{missing.pop(revision).function}: {revision} took the probe")
        if missing and time.monotonic() > until:
            silent = ", ".join(f"{service.function} at {revision}" for revision, service in missing.items())
            raise CanaryFailed(f"no word of probe {message} after {PROBE_SECONDS:g} s from {silent}")
        time.sleep(POLL_SECONDS if missing else 0)


def entries(query: str) -> list[str]:
    return gcloud("logging", "read", f'resource.type="cloud_run_revision" {query}', "--limit=1000", "--format=value(insertId)").splitlines()
