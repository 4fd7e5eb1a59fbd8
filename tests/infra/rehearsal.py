"""The functions run for real on a copy of a trained world, with ports that remember what was touched and every line logged."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import structlog
from flask import Flask, request

import functions.main
from functions import messages, wiring
from functions.delivery import Delivery
from sandbox.world import World, events
from shared import config, policies
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.clock import SteppedClock
from shared.config import ROOT
from shared.errors import WarehouseUnavailable
from shared.lead import StageChange
from shared.ports import Blob, Crm, CrmContact, CrmLead, FieldUpdate, Objects, Query, Rows, Topic, UpdateResult, Warehouse
from tests.fakes import FakeCrm, FakeTopic, FakeVerifier

TTL = timedelta(seconds=30)
SALESFORCE_SECRETS = {"salesforce-consumer-key", "salesforce-private-key"}


@dataclass
class Touched:
    """What a function did: rights are what it must have been granted for it."""

    published: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    appended: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    models: bool = False
    keeps: str = ""

    def forget(self) -> None:
        for what in (self.published, self.read, self.appended, self.secrets):
            what.clear()
        self.models, self.keeps = False, ""

    def rights(self, bucket: str) -> set[tuple[str, str]]:
        granted = {("pubsub.publisher", topic) for topic in self.published}
        granted |= {("bigquery.dataViewer", dataset) for dataset in self.read}
        granted |= {("appender", table) for table in self.appended}
        granted |= {("secretmanager.secretAccessor", secret) for secret in self.secrets}
        granted |= {("storage.objectViewer", bucket)} if self.models else set()
        granted |= {("storage.objectUser", bucket)} if self.keeps else set()
        return granted | ({("bigquery.jobUser", "project")} if self.read or self.appended else set())


@dataclass
class _Topic(FakeTopic):
    touched: Touched = field(default_factory=Touched)

    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        self.touched.published.add(topic)
        return super().publish(topic, body, attributes)


class _Warehouse:
    def __init__(self, inner: Warehouse, touched: Touched) -> None:
        self._inner, self._touched = inner, touched
        self.down = False

    def query(self, query: Query, **params: object) -> Rows:
        self._touched.read |= set(re.findall(r"`(\w+)\.\w+`", query.sql))
        self._available()
        return self._inner.query(query, **params)

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        self._touched.read |= set(re.findall(r"`(\w+)\.\w+`", query.sql))
        self._available()
        return self._inner.pages(query, size, **params)

    def append(self, table: str, rows: Sequence[object]) -> int:
        self._touched.appended.add(table)
        self._available()
        return self._inner.append(table, rows)

    def _available(self) -> None:
        if self.down:
            raise WarehouseUnavailable("BigQuery: 503", fix="Retried by itself.")


class _Objects:
    def __init__(self, inner: DirectoryObjects, touched: Touched) -> None:
        self._inner, self._touched = inner, touched

    def read(self, name: str) -> Blob:
        self._touched.models = True
        return self._inner.read(name)

    def names(self, prefix: str) -> list[str]:
        self._touched.models = True
        return self._inner.names(prefix)

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        assert self._touched.keeps in {"", name}, f"a function writes {name} beside {self._touched.keeps}"
        self._touched.keeps = name
        return self._inner.write(name, data, if_generation=if_generation)


class _Crm:
    def __init__(self, inner: Crm, touched: Touched) -> None:
        self._inner, self._touched = inner, touched

    def leads(self, lead_ids: Sequence[str], fields: Sequence[str] = ()) -> list[CrmLead]:
        return self._used().leads(lead_ids, fields)

    def update(self, updates: Sequence[FieldUpdate]) -> Iterator[list[UpdateResult]]:
        return self._used().update(updates)

    def writable_fields(self) -> Mapping[str, int]:
        return self._used().writable_fields()

    def contacts(self, modified_since: datetime, entered_since: datetime) -> list[CrmContact]:
        return self._used().contacts(modified_since, entered_since)

    def _used(self) -> Crm:
        self._touched.secrets |= SALESFORCE_SECRETS
        return self._inner


class _Secret(str):
    """Remembers that it was compared with."""

    __slots__ = ("touched",)
    touched: Touched

    def __format__(self, spec: str) -> str:
        self.touched.secrets.add("ingress-secret")
        return str(self)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is outside the functions, each part remembering how it was used."""

    clock: SteppedClock
    warehouse: Warehouse
    objects: Objects
    topic: Topic
    crm: Crm


class App(wiring.App):
    """The functions' own wiring, but for who may push."""

    outside: Recorded

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(FakeVerifier(), self.outside.topic, self.settings.max_delivery_attempts)


@dataclass
class Stage:
    """Everything the functions stand on, and what became of it."""

    world: World
    store: DuckDBWarehouse
    warehouse: _Warehouse
    topic: _Topic
    clock: SteppedClock
    crm: FakeCrm
    app: App
    touched: Touched
    changes: list[StageChange]
    lines: io.StringIO

    def entries(self) -> list[dict[str, Any]]:
        """What was logged, as Cloud Logging keeps it: severity on the entry, the rest as its JSON payload."""
        logged = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [_entry(line) for line in logged]

    def use(self, crm: Crm) -> None:
        """From now on Salesforce is this one."""
        self.app = App(self.app.settings, replace(self.app.outside, crm=_Crm(crm, self.touched)))

    def start_anew(self) -> None:
        """As a new instance does, it looks for its models again."""
        self.app = App(self.app.settings, self.app.outside)

    def call(self, function: str, body: bytes, token: str = "good") -> int:
        """The entry point of functions.main, called over HTTP; its status."""
        with Flask("stage").test_request_context("/", method="POST", data=body, headers={"Authorization": f"Bearer {token}"}):
            return int(getattr(functions.main, function)(request._get_current_object())[1])  # type: ignore[attr-defined]

    def push(self, function: str, body: bytes, attempt: int = 1) -> int:
        message = {"data": base64.b64encode(body).decode(), "messageId": "7"}
        return self.call(function, json.dumps({"message": message, "deliveryAttempt": attempt}).encode())

    def known(self) -> StageChange:
        return next(change for change in self.changes if change.crd is not None and change.crd < 9_000_000)


def _entry(line: dict[str, Any]) -> dict[str, Any]:
    payload = {name: value for name, value in line.items() if name != "severity"}
    return {"resource": {"type": "cloud_run_revision"}, "severity": line["severity"], "jsonPayload": payload}


@contextmanager
def stage(world: World) -> Iterator[Stage]:
    """Wire the functions to the world in place of the cloud, and listen to what they log."""
    touched, lines, store = Touched(), io.StringIO(), world.warehouse()
    made = _wire(world, store, touched, lines)
    before, wired = structlog.get_config()["logger_factory"], wiring.app
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=lines))
    wiring.app = lambda: made.app  # type: ignore[assignment]
    try:
        yield made
    finally:
        wiring.app = wired
        structlog.configure(logger_factory=before)
        store.close()


def _wire(world: World, store: DuckDBWarehouse, touched: Touched, lines: io.StringIO) -> Stage:
    changes, clock, salesforce = events(world, store), SteppedClock(world.matured_by), policies.salesforce(ROOT / "policies")
    records = {change.lead_id: CrmLead(change.lead_id, change.crd, is_converted=False) for change in changes}
    crm = FakeCrm(records, dict.fromkeys(salesforce.fields.model_dump().values(), 255))
    topic, warehouse = _Topic(touched=touched), _Warehouse(store, touched)
    outside = Recorded(clock, warehouse, _Objects(DirectoryObjects(world.objects), touched), topic, _Crm(crm, touched))
    settings = config.load({"LEADSCORE_BACKEND": "local", "LEADSCORE_WORLD": str(world.path)})
    secret = _Secret("hush")
    secret.touched = touched
    app = App(replace(settings, ingress_secret=secret), outside)
    return Stage(world, store, warehouse, topic, clock, crm, app, touched, changes, lines)


def _receive(on: Stage) -> None:
    change = on.known()
    assert on.call("receive_stage_change", messages.write(change), token="hush") == 200
    assert on.call("receive_stage_change", b"odd", token="hush") == 400


def _score_lead(on: Stage) -> None:
    assert on.push("score_lead", messages.write(replace(on.known(), crd=None))) == 200
    assert on.push("score_lead", b"odd") == 200


def _score_batch(on: Stage) -> None:
    as_of = on.changes[-1].stage_entered_at + timedelta(days=1)
    assert on.call("score_batch", json.dumps({"as_of": as_of.isoformat()}).encode()) == 200


def _score_page(on: Stage) -> None:
    """Every page of a batch: the last one ends it."""
    _score_batch(on)
    _forget(on)
    for page in on.topic.bodies("score-page"):
        assert on.push("score_page", page) == 200
    assert on.push("score_page", b"odd") == 200


def _score_batch_again(on: Stage) -> None:
    """Once with every lead to score; once more, as Scheduler's retry does, when all pages are done and the plan ends the batch."""
    _score_page(on)
    _forget(on)
    _score_batch(on)
    on.clock.step(timedelta(hours=1))
    on.store._connection.execute("DELETE FROM scores.ledger")
    _score_batch(on)


def _sync_scores(on: Stage) -> None:
    _score_lead(on)
    (scored,) = on.topic.bodies("lead-scored")
    _forget(on)
    assert on.push("sync_scores", scored) == 200
    assert on.push("sync_scores", b"odd") == 200


def _catch_up(on: Stage) -> None:
    """One lead that entered the stage and was missed."""
    missed, now = on.known(), on.clock.now()
    entered = now - timedelta(days=1)
    on.crm.entered.append(CrmContact(missed.lead_id, missed.crd, entered, entered))
    assert on.call("catch_up", b"{}") == 200
    assert on.topic.bodies("lead-contacted")


def _sync_all(on: Stage) -> None:
    """One lead that Salesforce takes, and one that it does not know."""
    for change in on.changes[:40]:
        assert on.push("score_lead", messages.write(change)) == 200
    on.crm.records.pop(on.known().lead_id)
    _forget(on)
    as_of = on.known().stage_entered_at + timedelta(hours=1)
    assert on.call("sync_all", json.dumps({"as_of": as_of.isoformat()}).encode()) == 200


def _forget(on: Stage) -> None:
    """What was done to get here does not count."""
    on.touched.forget()
    on.start_anew()


REHEARSALS: dict[str, Callable[[Stage], None]] = {
    "receive_stage_change": _receive,
    "score_lead": _score_lead,
    "score_batch": _score_batch_again,
    "score_page": _score_page,
    "sync_scores": _sync_scores,
    "sync_all": _sync_all,
    "catch_up": _catch_up,
}
"""How each function of infra/functions.yaml is run so that it does all it can: add yours."""
