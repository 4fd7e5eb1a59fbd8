"""Shift traffic to what was just applied, a little at a time, and back at the first sign of trouble.

Terraform leaves new revisions at 0 %. Each must be ready and take a probe, which reaches it by Pub/Sub, as the functions let
nothing else in (docs/adr/0021-canary-by-message.md). Then 10, 50 and 100 % with an error gate between. Whatever fails, every
function goes back to the revision that served before. Standard library and gcloud only: it runs in Google's own CLI image.

`python -m deploy.canary OUTPUTS.json`, with OUTPUTS from `terraform output -json`; `--back FILE` undoes an earlier run.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from deploy.probe import entries, probe
from deploy.traffic import ALL, CanaryFailed, Service, back, gcloud, say, services, shift

STEPS = (10, 50, ALL)
SOAK_SECONDS = float(os.environ.get("CANARY_SOAK_SECONDS", "120"))
MAX_ERROR_RATIO = float(os.environ.get("CANARY_MAX_ERROR_RATIO", "0.02"))
BEFORE = Path("build/before_canary.json")


def ready(service: Service) -> None:
    """Cloud Run's own word: the image is there, the secrets can be read, the container listens."""
    status = json.loads(gcloud("run", "revisions", "describe", service.latest, "--format", "json"))["status"]
    said = [condition for condition in status["conditions"] if condition["type"] == "Ready"]
    if [condition["status"] for condition in said] != ["True"]:
        raise CanaryFailed(f"{service.function}: {service.latest} is not ready: {said[0].get('message', '') if said else 'no word of it'}")


def error_gate(changed: Sequence[Service], since: str) -> None:
    """At most `CANARY_MAX_ERROR_RATIO` of a new revision's log entries since then may be errors."""
    for service in changed:
        of_revision = f'resource.labels.revision_name="{service.latest}" timestamp>="{since}"'
        count = [len(entries(f"{of_revision}{more}")) for more in ("", " severity>=ERROR")]
        if count[1] > MAX_ERROR_RATIO * max(count[0], 1):
            raise CanaryFailed(f"{service.function} at {service.latest}: {count[1]} errors in {count[0]} log entries")


def release(changed: Sequence[Service], push_account: str) -> None:
    since = _now()
    for service in changed:
        ready(service)
    probe([service for service in changed if service.pushed], push_account)
    error_gate(changed, since)
    for percent in STEPS:
        since = _now()
        for service in changed:
            shift(service, percent)
        time.sleep(SOAK_SECONDS)
        error_gate(changed, since)
        say(f"{percent} % of traffic on the new revisions, no excess of errors")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()  # noqa: UP017 - the CLI image's Python may be older than ours


def main(arguments: Sequence[str]) -> int:
    if arguments[0] == "--back":
        back([Service(**each) for each in json.loads(Path(arguments[1]).read_text())])
        return 1
    changed = [service for service in services(Path(arguments[0])) if service.changed]
    BEFORE.parent.mkdir(exist_ok=True)
    BEFORE.write_text(json.dumps([asdict(service) for service in changed]))
    if not changed:
        say("No function changed; traffic stays where it is.")
        return 0
    released = False
    try:
        release(changed, os.environ["PUSH_ACCOUNT"])
        released = True
    except CanaryFailed as fault:
        say(f"CANARY FAILED: {fault}")
    finally:
        if not released:
            back(changed)
    return 0 if released else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
