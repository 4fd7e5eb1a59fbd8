"""One instance of the functions as a process of its own, fed by the suite over a pipe, which dies where it is told to.

`python -m tests.faults.instance` reads the settings of `sandbox.cloud.functions_environment` and, only here, DIE: a step
of STEPS. Each line of standard input is a request; each line of standard output its status.
"""

import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask, request

from functions import main, wiring
from shared import config, policies
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.adapters.pubsub import RestTopic
from shared.adapters.salesforce import SalesforceCrm
from shared.clock import SystemClock
from tests.faults.parts import Parts, TrustingApp


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a port with this first argument (any, where it is empty), before or after it is carried out."""

    method: str
    first: str
    after: bool


STEPS = {
    "ingress, before publish": Step("publish", "lead-contacted", after=False),
    "ingress, after publish": Step("publish", "lead-contacted", after=True),
    "before the vector is logged": Step("append", "scores.feature_log", after=False),
    "before the ledger": Step("append", "scores.ledger", after=False),
    "after the ledger": Step("append", "scores.ledger", after=True),
    "before publish": Step("publish", "lead-scored", after=False),
    "after publish": Step("publish", "lead-scored", after=True),
    "before Salesforce is read": Step("leads", "", after=False),
    "after Salesforce was read": Step("leads", "", after=True),
    "before Salesforce is written": Step("update", "", after=False),
    "after Salesforce was written": Step("update", "", after=True),
    "before the receipt": Step("append", "scores.sync_receipts", after=False),
    "after the receipt": Step("append", "scores.sync_receipts", after=True),
    "before the dead letter": Step("publish", "dead-letters", after=False),
    "after the dead letter": Step("publish", "dead-letters", after=True),
    "before the watermark": Step("write", "catch_up/watermark.json", after=False),
    "after the watermark": Step("write", "catch_up/watermark.json", after=True),
}


class Mortal:
    """Passes every call on, and dies by SIGKILL at its step."""

    def __init__(self, inner: object, step: Step | None) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            doomed = self._step is not None and self._step.method == name and self._step.first in {"", arguments[0]}
            if not doomed:
                return method(*arguments, **named)
            if not self._step.after:  # type: ignore[union-attr]
                _die()
            done = method(*arguments, **named)
            if isinstance(done, Iterator):
                next(done)
            _die()
            raise AssertionError

        return call


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def serve() -> None:
    settings = config.load()
    step = STEPS[os.environ["DIE"]] if os.environ.get("DIE") else None
    parts = (
        SystemClock(),
        DuckDBWarehouse(settings.world / "warehouse.duckdb", idle_seconds=0),
        DirectoryObjects(settings.world / "objects"),
        RestTopic(settings.bus_url, settings.project),
        SalesforceCrm(settings.salesforce, policies.salesforce(settings.policies)),
    )
    app = TrustingApp(settings, Parts(*(Mortal(part, step) for part in parts)))
    setattr(wiring, "app", lambda: app)  # noqa: B010 - the real entry points, on these parts
    flask = Flask("functions")
    print("ready", flush=True)  # noqa: T201 - the pipe to the suite
    for line in sys.stdin:
        asked = json.loads(line)
        body = base64.b64decode(asked["body"])
        with flask.test_request_context(asked["path"], method="POST", data=body, headers=asked["headers"]):
            answer = getattr(main, asked["function"])(request)
        print(answer[1], flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
