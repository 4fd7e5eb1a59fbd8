"""The functions run for real on a copy of a trained world, with ports that remember what was touched and every line logged."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog
from flask import Flask, request

import functions.main
from functions import messages, wiring
from functions.delivery import Delivery
from functions.receive_stage_change import Ingress
from functions.score_lead import Scoring
from functions.sync_scores import Syncing
from sandbox.world import World, events
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.clock import SteppedClock
from shared.config import ROOT
from shared.errors import WarehouseUnavailable
from shared.lead import StageChange
from shared.ledger import Ledger
from shared.model.registry import ChampionCache, Registry
from shared.ports import Blob, Crm, CrmLead, FieldUpdate, Query, Rows, UpdateResult, Warehouse
from tests.fakes import FakeCrm, FakeTopic, FakeVerifier

SALESFORCE_SECRETS = {"salesforce-consumer-key", "salesforce-private-key"}


@dataclass
class Touched:
    """What a function did: rights are what it must have been granted for it."""

    published: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    appended: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    models: bool = False

    def forget(self) -> None:
        for what in (self.published, self.read, self.appended, self.secrets):
            what.clear()
        self.models = False

    def rights(self, bucket: str) -> set[tuple[str, str]]:
        granted = {("pubsub.publisher", topic) for topic in self.published}
        granted |= {("bigquery.dataViewer", dataset) for dataset in self.read}
        granted |= {("appender", table) for table in self.appended}
        granted |= {("secretmanager.secretAccessor", secret) for secret in self.secrets}
        granted |= {("storage.objectViewer", bucket)} if self.models else set()
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
        raise AssertionError(f"a function writes the object {name}")


class _Crm:
    def __init__(self, inner: Crm, touched: Touched) -> None:
        self._inner, self._touched = inner, touched

    def leads(self, lead_ids: Sequence[str]) -> list[CrmLead]:
        self._touched.secrets |= SALESFORCE_SECRETS
        return self._inner.leads(lead_ids)

    def update(self, updates: Sequence[FieldUpdate]) -> list[UpdateResult]:
        self._touched.secrets |= SALESFORCE_SECRETS
        return self._inner.update(updates)

    def writable_fields(self) -> frozenset[str]:
        self._touched.secrets |= SALESFORCE_SECRETS
        return self._inner.writable_fields()


class _Secret(str):
    """Remembers that it was compared with."""

    __slots__ = ("touched",)
    touched: Touched

    def __format__(self, spec: str) -> str:
        self.touched.secrets.add("ingress-secret")
        return str(self)


@dataclass
class Stage:
    """Everything the functions stand on, and what became of it."""

    world: World
    store: DuckDBWarehouse
    warehouse: _Warehouse
    topic: _Topic
    clock: SteppedClock
    crm: FakeCrm
    app: wiring.App
    touched: Touched
    changes: list[StageChange]
    lines: io.StringIO

    def entries(self) -> list[dict[str, Any]]:
        """What was logged, as Cloud Logging keeps it: severity on the entry, the rest as its JSON payload."""
        logged = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [_entry(line) for line in logged]

    def use(self, crm: Crm) -> None:
        """From now on Salesforce is this one."""
        seen = _Crm(crm, self.touched)
        self.app = replace(self.app, scoring=replace(self.app.scoring, crm=seen), syncing=replace(self.app.syncing, crm=seen))

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
    changes, clock = events(world, store), SteppedClock(world.matured_by)
    scoring_policy, salesforce_policy = policies.scoring(ROOT / "policies"), policies.salesforce(ROOT / "policies")
    records = {change.lead_id: CrmLead(change.lead_id, change.crd, is_converted=False) for change in changes}
    crm = FakeCrm(records, frozenset(salesforce_policy.fields.model_dump().values()))
    topic, warehouse = _Topic(touched=touched), _Warehouse(store, touched)
    champions = ChampionCache(Registry(_Objects(DirectoryObjects(world.objects), touched)), clock, timedelta(seconds=30))
    seen, ledger, secret = _Crm(crm, touched), Ledger(warehouse), _Secret("hush")
    secret.touched = touched
    app = wiring.App(
        delivery=Delivery(FakeVerifier(), topic, max_attempts=5),
        ingress=Ingress(topic, secret, scoring_policy.stage),
        scoring=Scoring(clock, warehouse, ledger, champions, topic, seen, scoring_policy),
        syncing=Syncing(clock, ledger, seen, topic, salesforce_policy),
    )
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
    _score_batch(on)
    page = on.topic.bodies("score-page")[0]
    _forget(on)
    assert on.push("score_page", page) == 200
    assert on.push("score_page", b"odd") == 200


def _score_batch_twice(on: Stage) -> None:
    """Once with every lead to score, once with scores to announce."""
    _score_page(on)
    _forget(on)
    _score_batch(on)


def _sync_scores(on: Stage) -> None:
    _score_lead(on)
    (scored,) = on.topic.bodies("lead-scored")
    _forget(on)
    assert on.push("sync_scores", scored) == 200
    assert on.push("sync_scores", b"odd") == 200


def _forget(on: Stage) -> None:
    """What was done to get here does not count; the champion's pointer is looked at again."""
    on.touched.forget()
    on.clock.step(timedelta(minutes=1))


REHEARSALS: dict[str, Callable[[Stage], None]] = {
    "receive_stage_change": _receive,
    "score_lead": _score_lead,
    "score_batch": _score_batch_twice,
    "score_page": _score_page,
    "sync_scores": _sync_scores,
}
"""How each function of infra/functions.yaml is run so that it does all it can: add yours."""
