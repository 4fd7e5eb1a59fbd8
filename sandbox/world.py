"""A world: a directory that holds a whole company's data, keys, models and dead letters."""

import csv
import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from sandbox.extract import load_files
from sandbox.market import Market, make_market
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract, load_contract
from shared.asof.labels import leads_sql
from shared.clock import isoformat, parse_instant
from shared.errors import DataError
from shared.lead import Ask, StageChange
from shared.ports import Query

MARKET_CUTOFF = datetime(2025, 9, 1, tzinfo=UTC)
MARKET_MATURED = datetime(2026, 2, 1, tzinfo=UTC)
TRAIN_SHARE = 0.72


class WorldInUseError(DataError):
    """Another process holds the world."""


@dataclass(frozen=True, slots=True)
class World:
    """`known_by`: what training may know. Leads contacted after it are the events to replay; `matured_by` settles them."""

    path: Path
    contract: Contract
    known_by: datetime
    matured_by: datetime

    def warehouse(self, threads: int = 1) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.path / "warehouse.duckdb", threads=threads)

    @contextmanager
    def reading(self) -> Iterator[DuckDBWarehouse]:
        """The warehouse, with four threads, closed at the end."""
        warehouse = self.warehouse(threads=4)
        try:
            yield warehouse
        finally:
            warehouse.close()

    @property
    def objects(self) -> Path:
        return self.path / "objects"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep the world for this process. WorldInUseError when another one has it."""
    path.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "Stop the other make demo or make serve, or name another world with WORLD=."
            raise WorldInUseError(f"The world {path} is in use by another process.", fix=fix) from None
        yield


def make_market_world(path: Path, contract_path: Path, seed: int, leads: int) -> World:
    """The synthetic advisor market, split at MARKET_CUTOFF."""
    market = make_market(seed, leads=leads, reps=leads + 2000)
    return make_world_of(path, load_contract(contract_path), market, market.tables)


def make_world_of(path: Path, contract: Contract, market: Market, tables: Mapping[str, pa.Table]) -> World:
    """A world of this market whose warehouse holds `tables`."""
    _clear(path)
    warehouse = DuckDBWarehouse(path / "warehouse.duckdb", threads=2)
    for table, rows in tables.items():
        warehouse.load_arrow(table, rows)
    warehouse.close()
    _write_people(path, market.people.to_pylist())
    return _describe(World(path, contract, MARKET_CUTOFF, MARKET_MATURED))


def make_file_world(path: Path, contract_path: Path, data: Path, until: datetime | None) -> World:
    """Files under a contract, split after `until` or at the month end nearest to 72 % of the rows.

    `data` is one file of leads or a directory of one file per table. A world that stood at `path` is kept if they do not fit.
    """
    contract = load_contract(contract_path)
    with tempfile.TemporaryDirectory() as folder:
        ids = _load(Path(folder), contract, data)
        _clear(path)
        shutil.move(Path(folder) / "warehouse.duckdb", path / "warehouse.duckdb")
    warehouse = DuckDBWarehouse(path / "warehouse.duckdb", threads=2)
    instants = [change.stage_entered_at for change in _changes(warehouse, contract, datetime.max.replace(tzinfo=UTC), None)]
    warehouse.close()
    _write_people(path, [_person(lead, key) for lead, key in ids])
    known_by = until + timedelta(days=1, microseconds=-1) if until else _month_end(instants)
    outcome = contract.lead.outcome
    matured_by = max(instants) + timedelta(days=outcome.window_days + contract.lead.lag_days + 1)
    return _describe(World(path, contract, known_by, matured_by))


def _load(folder: Path, contract: Contract, data: Path) -> list[tuple[str, str]]:
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", threads=2)
    try:
        return load_files(warehouse, contract, data)
    finally:
        warehouse.close()


def open_world(path: Path) -> World:
    """The world made earlier at `path`."""
    try:
        said = json.loads((path / "world.json").read_text())
    except FileNotFoundError:
        raise DataError(f"There is no world at {path}.", fix="Make one: make demo, or make serve.") from None
    contract = Contract.model_validate(said["contract"])
    return World(path, contract, parse_instant(said["known_by"]), parse_instant(said["matured_by"]))


def events(world: World, warehouse: DuckDBWarehouse) -> list[StageChange]:
    """The contacts after `known_by`, in order."""
    return _changes(warehouse, world.contract, world.matured_by, world.known_by)


def _changes(warehouse: DuckDBWarehouse, contract: Contract, known_by: datetime, after: datetime | None) -> list[StageChange]:
    found = [_contact(ask) for ask in contacts(warehouse, contract, known_by)]
    return [change for change in found if after is None or change.stage_entered_at > after]


def contacts(warehouse: DuckDBWarehouse, contract: Contract, known_by: datetime) -> list[Ask]:
    """Every contact of the leads, as known by then, in order."""
    text = f"SELECT lead_id, crd, contacted_at FROM (\n{leads_sql(contract)}\n)\nORDER BY contacted_at, lead_id\n"
    clock = {"known_by": known_by} if contract.lead.known_at else {}
    rows = warehouse.query(Query("contacts", text, {"known_by": "TIMESTAMP"} if clock else {}), **clock)
    return [Ask(str(lead), None if crd is None else int(str(crd)), at) for lead, crd, at in rows.values if isinstance(at, datetime)]


def _contact(ask: Ask) -> StageChange:
    return StageChange(ask.lead_id, ask.crd, "Contacted", ask.as_of.astimezone(UTC), f"contact-{ask.lead_id}", "replay")


def _month_end(instants: list[datetime]) -> datetime:
    ordered = sorted(instants)
    months = sorted({(i.year, i.month) for i in ordered})
    ends = [datetime(y + m // 12, m % 12 + 1, 1, tzinfo=UTC) - timedelta(microseconds=1) for y, m in months[:-1]]
    if not ends:
        raise DataError("All contacts lie in one month, so there is no later time to judge on.", fix="Give UNTIL=YYYY-MM-DD.")
    return min(ends, key=lambda end: abs(sum(i <= end for i in ordered) / len(ordered) - TRAIN_SHARE))


def _clear(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)


def _write_people(path: Path, people: list[dict[str, str]]) -> None:
    with (path / "salesforce_leads.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, people[0].keys())
        writer.writeheader()
        writer.writerows(people)


def keys_of(world: World) -> dict[str, str]:
    """Each lead's own name in the file it came from, by its id in the sandbox; empty for a market, whose leads have no other."""
    with (world.path / "salesforce_leads.csv").open(newline="") as file:
        return {row["Id"]: row["LastName"] for row in csv.DictReader(file) if row["Company"] == ""}


def _person(lead: str, key: str) -> dict[str, str]:
    return {"Id": lead, "FA_CRD__c": "", "FirstName": "Lead", "LastName": key, "Company": "", "OwnerId": "005000000000001AAA"}


def _describe(world: World) -> World:
    said = {
        "contract": world.contract.model_dump(mode="json"),
        "known_by": isoformat(world.known_by),
        "matured_by": isoformat(world.matured_by),
    }
    (world.path / "world.json").write_text(json.dumps(said, indent=1))
    return world
