"""Cloud Run's traffic, by gcloud: which revision serves, which was just made, and how to move between them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ALL = 100


class CanaryFailed(Exception):
    """Why traffic goes back."""


@dataclass(frozen=True)
class Service:
    """One function's Cloud Run service; `serving` is the revision that has the traffic, `latest` the one just made.

    `pushed` says whether Pub/Sub or Scheduler calls it, so that a probe may; what only the entrance calls must be ready.
    """

    function: str
    name: str
    uri: str
    pushed: bool
    serving: str
    latest: str

    @property
    def changed(self) -> bool:
        return self.serving != self.latest


def gcloud(*arguments: str) -> str:
    region = ("--region", os.environ["REGION"]) if arguments[0] == "run" else ()
    line = ["gcloud", *arguments, *region, "--project", os.environ["PROJECT"], "--quiet"]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    if said.returncode:
        raise CanaryFailed(f"{' '.join(line)}: {said.stderr.strip() or said.stdout.strip()}")
    return said.stdout.strip()


def services(outputs: Path) -> list[Service]:
    """What is deployed, from Terraform's output `functions`: name to {service, uri, pushed}."""
    functions = json.loads(outputs.read_text())["functions"]["value"]
    return [_service(name, said["service"], said["uri"], said["pushed"]) for name, said in sorted(functions.items())]


def _service(function: str, name: str, uri: str, pushed: bool) -> Service:  # noqa: FBT001 - as Terraform puts it
    status = json.loads(gcloud("run", "services", "describe", name, "--format", "json"))["status"]
    serving = max(status["traffic"], key=lambda part: part.get("percent", 0))["revisionName"]
    return Service(function, name, uri, pushed, serving, status["latestCreatedRevisionName"])


def shift(service: Service, percent: int) -> None:
    split = f"{service.latest}={percent}" + (f",{service.serving}={100 - percent}" if percent < ALL else "")
    gcloud("run", "services", "update-traffic", service.name, f"--to-revisions={split}")


def back(all_services: Sequence[Service]) -> None:
    """Every service to the revision that served before; one that cannot be moved does not keep the others from it."""
    for service in all_services:
        try:
            gcloud("run", "services", "update-traffic", service.name, f"--to-revisions={service.serving}=100")
            say(f"{service.function}: back to {service.serving}")
        except CanaryFailed as fault:
            say(f"{service.function}: NOT back, move it by hand: {fault}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
