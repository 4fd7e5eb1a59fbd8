"""Was what we served what training would read? Each logged vector is asked for again, in bulk, and compared exactly."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from shared.asof.compile import fitted_params, literal, statistic_params, vectors_sql
from shared.asof.contract import Contract
from shared.asof.labels import leads_sql
from shared.clock import isoformat
from shared.model.artifact import Artifact
from shared.ports import BulkWarehouse, Query
from shared.score import Value, canonical

Vector = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A feature of one served vector that reads differently now, or `feature` empty: the lead is not found any more."""

    lead_id: str
    as_of: str
    model_version: str
    feature: str
    served: Value
    replayed: Value


@dataclass(frozen=True, slots=True)
class ParityReport:
    vectors: int
    mismatches: tuple[Mismatch, ...]


def parity(warehouse: BulkWarehouse, load: Callable[[str], Artifact], since: datetime, known_by: datetime) -> ParityReport:
    """Replay every vector served about an instant from `since` on, through the relation that training asks with.

    `load` fetches a model by version; its contract, with its fitted statistics, is the one that was served.
    """
    asked = "SELECT model_version, COUNT(*) AS n FROM `scores.feature_log` WHERE as_of >= @since GROUP BY model_version"
    versions = list(warehouse.query(Query("parity_versions", asked, {"since": "TIMESTAMP"}), since=since))
    found: list[Mismatch] = []
    for row in versions:
        version = str(row["model_version"])
        found += _of_version(warehouse, load(version).contract, version, since, known_by)
    return ParityReport(sum(int(str(row["n"])) for row in versions), tuple(found))


def _of_version(warehouse: BulkWarehouse, contract: Contract, version: str, since: datetime, known_by: datetime) -> Iterator[Mismatch]:
    about = f"model_version = {literal(version)} AND as_of >= @since"
    logged = Query("parity_logged", f"SELECT lead_id, as_of, features FROM `scores.feature_log` WHERE {about}", {"since": "TIMESTAMP"})
    replayed = {(str(row["lead_id"]), row["as_of"]): row for row in _replay(warehouse, contract, about, since, known_by).to_pylist()}
    for row in warehouse.query(logged, since=since):
        lead_id, as_of = str(row["lead_id"]), row["as_of"]
        served: Vector = json.loads(str(row["features"]))
        again = replayed.get((lead_id, as_of))
        at = isoformat(as_of) if isinstance(as_of, datetime) else str(as_of)
        if again is None:
            yield Mismatch(lead_id, at, version, "", None, None)
            continue
        for name, value in served.items():
            now = _plain(again[name])
            if canonical({name: value}) != canonical({name: now}):
                yield Mismatch(lead_id, at, version, name, value, now)


def _replay(warehouse: BulkWarehouse, contract: Contract, about: str, since: datetime, known_by: datetime) -> pa.Table:
    asks = f"""SELECT DISTINCT
  served.lead_id,
  leads.crd,
  served.as_of
FROM (
  SELECT lead_id, as_of FROM `scores.feature_log` WHERE {about}
) AS served
JOIN (
{leads_sql(contract)}
) AS leads
  ON leads.lead_id = served.lead_id"""
    kinds = {"since": "TIMESTAMP", **({"known_by": "TIMESTAMP"} if contract.lead.known_at else {})}
    query = Query(f"parity_{contract.name}", vectors_sql(contract, asks), {**kinds, **statistic_params(contract)})
    clocks = {"since": since, **({"known_by": known_by} if contract.lead.known_at else {})}
    return warehouse.arrow(query, **clocks, **fitted_params(contract))


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]
