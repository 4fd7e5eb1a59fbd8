"""Shift traffic to what was just applied, a little at a time, and back at the first sign of trouble.

Terraform leaves new revisions at 0 %. For each function: probe the new revision at its own address, then 10, 50 and 100 %
with an error gate between. Whatever fails, every function goes back to the revision that served before. Standard library
and gcloud only: it runs in Google's own CLI image.

`python deploy/canary.py OUTPUTS.json`, with OUTPUTS from `terraform output -json`; `--back FILE` undoes an earlier run.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

STEPS = (10, 50, 100)
SOAK_SECONDS = int(os.environ.get("CANARY_SOAK_SECONDS", "120"))
MAX_ERROR_RATIO = float(os.environ.get("CANARY_MAX_ERROR_RATIO", "0.02"))
BEFORE = Path("build/before_canary.json")
SYNTHETIC = {
    "lead_id": "00Q000000000000AAA",
    "stage": "Synthetic",
    "stage_entered_at": "2025-01-01T00:00:00Z",
    "event_id": "canary",
    "source": "deploy",
}


class CanaryFailed(Exception):
    """Why traffic goes back."""


@dataclass(frozen=True)
class Service:
    """One function's Cloud Run service; `serving` is the revision that has the traffic, `latest` the one just made."""

    function: str
    name: str
    uri: str
    serving: str
    latest: str

    @property
    def changed(self) -> bool:
        return self.serving != self.latest

    @property
    def candidate_uri(self) -> str:
        return self.uri.replace("https://", "https://candidate---", 1)


def gcloud(*arguments: str) -> str:
    region = ("--region", os.environ["REGION"]) if arguments[0] == "run" else ()
    line = ["gcloud", *arguments, *region, "--project", os.environ["PROJECT"], "--quiet"]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    if said.returncode:
        raise CanaryFailed(f"{' '.join(line)}: {said.stderr.strip() or said.stdout.strip()}")
    return said.stdout.strip()


def services(outputs: Path) -> list[Service]:
    """What is deployed, from Terraform's output `functions`: name to {service, uri}."""
    functions = json.loads(outputs.read_text())["functions"]["value"]
    return [_service(name, said["service"], said["uri"]) for name, said in sorted(functions.items())]


def _service(function: str, name: str, uri: str) -> Service:
    status = json.loads(gcloud("run", "services", "describe", name, "--format", "json"))["status"]
    serving = max(status["traffic"], key=lambda part: part.get("percent", 0))["revisionName"]
    return Service(function, name, uri, serving, status["latestCreatedRevisionName"])


def shift(service: Service, percent: int) -> None:
    split = f"{service.latest}={percent}" + (f",{service.serving}={100 - percent}" if percent < STEPS[-1] else "")
    gcloud("run", "services", "update-traffic", service.name, f"--to-revisions={split}")


def back(all_services: Sequence[Service]) -> None:
    """Every service to the revision that served before; one that cannot be moved does not keep the others from it."""
    for service in all_services:
        try:
            gcloud("run", "services", "update-traffic", service.name, f"--to-revisions={service.serving}=100")
            say(f"{service.function}: back to {service.serving}")
        except CanaryFailed as fault:
            say(f"{service.function}: NOT back, move it by hand: {fault}")


def probe(service: Service, push_account: str) -> None:
    """The new revision must know the push account's token and leave a synthetic stage alone, or refuse a stranger in its own words."""
    gcloud("run", "services", "update-traffic", service.name, f"--update-tags=candidate={service.latest}")
    known = service.function == "score_lead"
    account = (f"--impersonate-service-account={push_account}",) if known else ()
    token = gcloud("auth", "print-identity-token", f"--audiences={service.uri}", *account)
    data = base64.b64encode(json.dumps(SYNTHETIC).encode()).decode()
    envelope = json.dumps({"message": {"data": data, "messageId": "canary"}, "subscription": "canary"})
    headers = ("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json")
    line = ["curl", "--silent", "--show-error", "--max-time", "60", *headers, "--data", envelope, service.candidate_uri]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    expected = "stage_ignored" if known else "unauthorized"
    if said.returncode or expected not in said.stdout:
        raise CanaryFailed(f"{service.function} at {service.latest} answered {said.stdout[:200]!r} {said.stderr[:200]}, not {expected}")


def error_gate(service: Service, since: str) -> None:
    """At most `CANARY_MAX_ERROR_RATIO` of the new revision's log entries since then may be errors."""
    of_revision = f'resource.labels.revision_name="{service.latest}" timestamp>="{since}"'
    count = [len(_entries(f"{of_revision}{more}")) for more in ("", " severity>=ERROR")]
    if count[1] > MAX_ERROR_RATIO * max(count[0], 1):
        raise CanaryFailed(f"{service.function} at {service.latest}: {count[1]} errors in {count[0]} log entries")


def _entries(query: str) -> list[str]:
    return gcloud("logging", "read", query, "--limit", "1000", "--format", "value(insertId)").splitlines()


def release(changed: Sequence[Service], push_account: str) -> None:
    for service in changed:
        probe(service, push_account)
        say(f"{service.function}: {service.latest} answers")
    for percent in STEPS:
        since = datetime.now(timezone.utc).isoformat()  # noqa: UP017 - the CLI image's Python may be older than ours
        for service in changed:
            shift(service, percent)
        time.sleep(SOAK_SECONDS)
        for service in changed:
            error_gate(service, since)
        say(f"{percent} % of traffic on the new revisions, no excess of errors")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


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
    try:
        release(changed, os.environ["PUSH_ACCOUNT"])
    except CanaryFailed as fault:
        say(f"CANARY FAILED: {fault}")
        back(changed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
