"""The whole path on real parts - functions, warehouse, object store, Salesforce over HTTP - around a bus with its own time."""

import json
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

from functions import main, wiring
from functions.wiring import App
from ops.dead_letters import Filter, replay
from sandbox import keys
from sandbox.cloud import functions_environment
from sandbox.org import Faults, Org, lead_fields
from sandbox.outbound import ORGANIZATION, SOAP_HEADERS, outbound_message
from sandbox.salesforce import create_app, read_leads
from sandbox.world import World, events
from shared import config, policies
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.adapters.salesforce import SalesforceCrm
from shared.clock import SteppedClock, isoformat
from shared.config import ROOT, Settings
from shared.lead import StageChange
from tests.faults.bus import VirtualBus
from tests.faults.flaky import Chance, FlakyObjects, FlakyWarehouse, SkewedClock
from tests.faults.parts import Parts, TrustingApp

Call = Callable[[str, bytes, Mapping[str, str], str], int]
"""Function, body, headers and path to status."""

SECRET = "ingress"
TRUSTED = {"Authorization": "Bearer good"}
UNKNOWN = 2
"""So many of the leads are about advisors nobody knows: they end as dead letters, with or without faults."""
IMPATIENT = {"timeout_seconds": 0.4, "quota_believed_seconds": 1, "bulk_timeout_seconds": 5}
"""What the shipped policy waits for in minutes, so that faults are met in seconds."""
INSTANCES = 3
_EXACT = (
    "stage_entered_at",
    "model_version",
    "as_of",
    "role",
    "margin",
    "probability",
    "percentile",
    "score",
    "band",
    "reasons",
    "feature_hash",
)


_flask = Flask("functions")


@dataclass(frozen=True, slots=True)
class State:
    """What is left once all is over. `ledger` is per stage entry and model; `salesforce` per lead, without the time of scoring."""

    ledger: dict[tuple[str, ...], tuple[object, ...]]
    salesforce: dict[str, tuple[object, ...]]
    receipts: dict[str, tuple[object, ...]]
    dead: frozenset[str]

    def as_of(self, instant: datetime) -> "State":
        """Only the scores given as of then."""
        return replace(self, ledger={key: row for key, row in self.ledger.items() if row[3] == instant})


@dataclass
class Rig:
    """`changes` are the stage changes that are sent. `caught_up`: how many of them only `catch_up` knew of.

    `alone`: no other process works on the same world.
    """

    world: World
    clock: SteppedClock
    bus: VirtualBus
    org: Org
    settings: Settings
    chance: Chance
    duckdb: DuckDBWarehouse
    warehouse: FlakyWarehouse
    objects: FlakyObjects
    apps: list[App]
    skews: list[SkewedClock]
    changes: list[StageChange]
    chosen: random.Random
    answers: Counter[str]
    caught_up: int = 0
    alone: bool = True

    def enter(self, change: StageChange, tell: Call | None = None) -> int:
        """The lead enters the stage in Salesforce, which tells us by a callout or by an outbound message. Returns our status."""
        tell = tell or self.call
        stamp = {"Stage_Entered_Contacting__c": isoformat(change.stage_entered_at), "SystemModstamp": isoformat(self.clock.now())}
        lead = self.org.leads[change.lead_id]
        lead.update({**stamp, "FA_CRD__c": str(change.crd), "Status": change.stage})
        if self.chosen.random() < 0.5:
            body = outbound_message(ORGANIZATION, [(change.event_id, dict(lead))])
            return tell("receive_stage_change", body, SOAP_HEADERS, f"/{SECRET}")
        event = {"lead_id": change.lead_id, "crd": change.crd, "stage": change.stage, "event_id": change.event_id, "source": "flow"}
        body = json.dumps({**event, "stage_entered_at": isoformat(change.stage_entered_at)}).encode()
        return tell("receive_stage_change", body, {"Authorization": f"Bearer {SECRET}"}, "/")

    def deliver(self, function: str, envelope: bytes) -> int:
        return self.call(function, envelope, TRUSTED, "/")

    def schedule(self, function: str, **body: object) -> int:
        return self.call(function, json.dumps(body).encode(), TRUSTED, "/")

    def call(self, function: str, body: bytes, headers: Mapping[str, str], path: str) -> int:
        """A request to one of the instances, through the real entry point. What is raised would be a 500."""
        with _flask.test_request_context(path, method="POST", data=body, headers=dict(headers)):
            status = _flask.make_response(getattr(main, function)(request)).status_code
        self.answers[f"{function} {status}"] += 1
        return status

    def run(self) -> None:
        self.bus.run(self.deliver)

    def recover(self) -> None:
        """The faults are over: retries, what was never told, and a person who replays the dead letters."""
        self.org.faults = Faults()
        self.warehouse.error_share = self.warehouse.timeout_share = self.objects.error_share = self.objects.corrupt_share = 0.0
        self.bus.down, self.bus.copies = False, (1, 1)
        self.run()
        for _ in range(2):
            replay(self.bus, self.bus, Filter())
            self.run()
        published = self.bus.published["lead-contacted"]
        assert self.schedule("catch_up", as_of=isoformat(self.changes[-1].stage_entered_at)) == 200
        self.caught_up = self.bus.published["lead-contacted"] - published - UNKNOWN
        self.run()

    def state(self) -> State:
        """What the ledger, the receipts, Salesforce and the dead letters say in the end."""
        names = ", ".join(("lead_id", *_EXACT))
        rows = self._rows(f"SELECT {names} FROM scores.ledger")
        doubled = [key for key, n in Counter(tuple(map(str, row[:5])) for row in rows).items() if n > 1]
        assert doubled == [], f"ledger rows written twice: {doubled}"
        fields = [name for part, name in policies.salesforce(self.settings.policies).fields.model_dump().items() if part != "scored_at"]
        shown = {lead: tuple(self.org.leads[lead].get(name) for name in fields) for lead in self._contacted()}
        receipts = self._rows(
            "SELECT lead_id, status, written FROM scores.sync_receipts WHERE status IN ('written', 'cleared') "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempted_at DESC) = 1"
        )
        told = {str(lead): tuple(json.loads(str(written)).get(name) for name in fields) for lead, _, written in receipts}
        dead = frozenset(json.loads(letter.body).get("lead_id", "") for letter in self.bus.letters)
        return State({tuple(map(str, row[:5])): row for row in rows}, shown, told, dead)

    def faults_struck(self) -> int:
        return self.bus.struck + self.chance.struck + sum(self.org.struck.values())

    def _contacted(self) -> Sequence[str]:
        return [change.lead_id for change in self.changes]

    def _rows(self, text: str) -> list[tuple[object, ...]]:
        with self.duckdb._cursor() as cursor:
            return cursor.execute(text).fetchall()


@contextmanager
def rig(trained: World, folder: Path, leads: int, *, seed: int = 0, idle_seconds: float | None = None) -> Iterator[Rig]:
    """A rig on a copy of the trained world. The bus's clock starts now; backoffs pass on it, not on the wall.

    `idle_seconds` of 0 lets other processes have the warehouse too.
    """
    shutil.copytree(trained.path, folder / "world")
    world = World(folder / "world", trained.contract, trained.known_by, trained.matured_by)
    declared = _impatient(folder / "policies")
    clock, chance = SteppedClock(datetime.now(UTC)), Chance(seed)
    bus, skews = VirtualBus(clock, seed), [SkewedClock(clock, timedelta(0)) for _ in range(INSTANCES)]
    duckdb = DuckDBWarehouse(world.path / "warehouse.duckdb", idle_seconds=idle_seconds)
    warehouse, objects = FlakyWarehouse(duckdb, chance), FlakyObjects(DirectoryObjects(world.objects), chance)
    with _salesforce(world, declared) as (org, url), ExitStack() as stack:
        environment = functions_environment(world.path, url, "http://bus.invalid", SECRET)
        settings = config.load({**environment, "LEADSCORE_POLICIES": str(declared), "LEADSCORE_CHAMPION_TTL_SECONDS": "0"})
        apps: list[App] = []
        for skew in skews:
            crm = SalesforceCrm(settings.salesforce, policies.salesforce(declared))
            stack.callback(crm.close)
            apps.append(TrustingApp(settings, Parts(skew, warehouse, objects, bus, crm)))
        stack.callback(duckdb.close)
        chosen, changes = random.Random(seed), _changes(events(world, duckdb), leads)  # noqa: S311 - reproducible faults
        stack.callback(setattr, wiring, "app", wiring.app)
        setattr(wiring, "app", lambda: chosen.choice(apps))  # noqa: B010 - each call meets one of the instances
        yield Rig(
            world,
            clock,
            bus,
            org,
            settings,
            chance,
            duckdb,
            warehouse,
            objects,
            apps,
            skews,
            changes,
            chosen,
            Counter(),
            alone=idle_seconds is None,
        )


@contextmanager
def _salesforce(world: World, declared: Path) -> Iterator[tuple[Org, str]]:
    key = keys.public_key(keys.private_key(world.path / "keys" / "salesforce.pem"))
    org = Org(lead_fields(policies.salesforce(declared)), read_leads(world.path / "salesforce_leads.csv"))
    server = make_server("127.0.0.1", 0, create_app(org, key), threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield org, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's own name
        """Say nothing: thousands of calls are made on purpose."""


def _impatient(folder: Path) -> Path:
    shutil.copytree(ROOT / "policies", folder)
    said = yaml.safe_load((folder / "salesforce.yaml").read_text())
    (folder / "salesforce.yaml").write_text(yaml.safe_dump({**said, **IMPATIENT}))
    return folder


def _changes(after: Sequence[StageChange], leads: int) -> list[StageChange]:
    """Leads whose advisor the vendor knows, and two whom nobody does, in the order they were contacted."""
    known = [change for change in after if change.crd is not None and change.crd < 9_000_000][:leads]
    unknown = [change for change in after if change.crd is not None and change.crd >= 9_000_000][:UNKNOWN]
    return sorted([*known, *unknown], key=lambda change: change.stage_entered_at)
