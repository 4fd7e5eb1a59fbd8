"""Faults that need processes: instances killed at every step, and eight of them at once."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from flask import Flask
from flask import request as incoming
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

from sandbox.cloud import functions_environment
from shared.clock import isoformat
from shared.config import ROOT
from tests.faults.bus import VirtualBus
from tests.faults.instance import STEPS
from tests.faults.rig import SECRET, TRUSTED, Quiet, Rig

NOBODY = 0
_AT_INGRESS = ("ingress, before publish", "ingress, after publish")
_AT_CATCH_UP = ("before the watermark", "after the watermark")


class Instance:
    """A process that serves one request at a time; a dead one answers nothing."""

    def __init__(self, environment: Mapping[str, str], die: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.instance"],
            cwd=ROOT,
            env={**os.environ, **environment, "DIE": die},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "an instance did not start"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, function: str, body: bytes, headers: Mapping[str, str], path: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"function": function, "body": base64.b64encode(body).decode(), "headers": dict(headers), "path": path}
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
        except BrokenPipeError:
            said = ""
        if not said:
            self._process.wait()
        return int(said) if said else NOBODY

    def deliver(self, function: str, envelope: bytes) -> int:
        return self.call(function, envelope, TRUSTED, "/")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def instances(rig: Rig, doomed: Sequence[str]) -> Iterator[list[Instance]]:
    """One instance per entry, which dies at that step (empty: at none). They publish to the rig's bus over HTTP."""
    with ExitStack() as stack:
        url = stack.enter_context(_answering(rig.bus))
        environment = functions_environment(rig.world.path, rig.settings.salesforce.url, url, SECRET)
        environment |= {"LEADSCORE_POLICIES": str(rig.settings.policies), "LEADSCORE_CHAMPION_TTL_SECONDS": "0"}
        started = [Instance(environment, die) for die in doomed]
        for each in started:
            stack.callback(each.close)
        for each in started:
            each.ready()
        yield started


@contextmanager
def _answering(bus: VirtualBus) -> Iterator[str]:
    app = Flask("bus")

    @app.post("/v1/projects/<project>/topics/<topic>:publish")
    def publish(project: str, topic: str) -> ResponseReturnValue:
        messages = (incoming.get_json() or {})["messages"]
        return {"messageIds": [bus.publish(topic, base64.b64decode(m["data"]), m["attributes"]) for m in messages]}

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def killed_at(rig: Rig, steps: Sequence[str]) -> None:
    """One instance after the other dies at its step; what it held is delivered again, to the next."""
    with instances(rig, [*steps, ""]) as (*mortal, immortal):
        as_of = {"as_of": isoformat(rig.changes[-1].stage_entered_at)}

        def call(function: str, body: bytes, headers: Mapping[str, str], path: str) -> int:
            able = [each for each, step in zip(mortal, steps, strict=True) if each.alive and _reached(step, function)]
            return (able[0] if able else immortal).call(function, body, headers, path)

        for change in rig.changes:
            rig.enter(change, call)
            rig.bus.run(lambda function, envelope: call(function, envelope, TRUSTED, "/"))
        for step in _AT_CATCH_UP:
            if step in steps:
                call("catch_up", json.dumps(as_of).encode(), TRUSTED, "/")
        rig.bus.run(immortal.deliver)
        survivors = [step for each, step in zip(mortal, steps, strict=True) if each.alive]
        assert survivors == [], f"nobody died {survivors}"
        rig.chance.struck += len(steps)
    rig.recover()


def _reached(step: str, function: str) -> bool:
    if step in _AT_INGRESS:
        return function == "receive_stage_change"
    if step in _AT_CATCH_UP:
        return function == "catch_up"
    return function not in {"receive_stage_change", "catch_up"}


def many_at_once(rig: Rig, count: int, copies: int) -> None:
    """Each message up to `copies` times, to instances that work at the same time on the same leads."""
    rig.bus.copies = (1, copies)
    with instances(rig, [""] * count) as started:
        for change in rig.changes:
            rig.enter(change)
        rig.bus.run_at_once([each.deliver for each in started])
    rig.recover()


ALL_STEPS = tuple(STEPS)
