"""Was what we served what training would read? Each logged vector is asked for again, in bulk, and compared exactly."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.asof.cardinality import assert_single
from shared.asof.compile import fitted_params, instant, statistic_params, table_name, vectors_sql
from shared.asof.contract import Contract
from shared.asof.labels import leads_sql
from shared.clock import isoformat
from shared.model.artifact import Artifact
from shared.ports import BulkWarehouse, Query
from shared.score import Value, canonical, digest

Vector = Mapping[str, Value]
ABSENT = "absent"
"""Said in place of a value where one side does not have the feature at all."""

_LOGGED = Query(
    "parity_logged",
    """SELECT
  lead_id,
  stage_entered_at,
  as_of,
  features,
  feature_hash
FROM `scores.feature_log`
WHERE model_version = @model_version
  AND as_of >= @since
ORDER BY as_of, lead_id
""",
    {"model_version": "STRING", "since": "TIMESTAMP"},
)
_VERSIONS = Query(
    "parity_versions",
    "SELECT DISTINCT model_version FROM `scores.feature_log` WHERE as_of >= @since ORDER BY model_version",
    {"since": "TIMESTAMP"},
)


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
    """`vectors` are compared, mismatched or `waiting`: of leads contacted since the newest extract, which training cannot read yet.

    `altered` names the leads of log rows whose vector is not the one that was hashed when it was served.
    """

    vectors: int
    waiting: int
    altered: tuple[str, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def holds(self) -> bool:
        return not self.mismatches and not self.altered


@dataclass(frozen=True, slots=True)
class _Served:
    """One line of the log."""

    lead_id: str
    stage_entered_at: datetime
    as_of: datetime
    features: str
    feature_hash: str


def parity(warehouse: BulkWarehouse, load: Callable[[str], Artifact], since: datetime, known_by: datetime) -> ParityReport:
    """Replay every vector served about an instant from `since` on, through the relation that training asks with.

    `load` fetches a model by version; its contract, with its fitted statistics, is the one that was served. Raises FanOut
    when a source now holds rows twice.
    """
    vectors, waiting = 0, 0
    altered: list[str] = []
    mismatches: list[Mismatch] = []
    for (version,) in warehouse.query(_VERSIONS, since=since).values:
        contract = load(str(version)).contract
        log = warehouse.query(_LOGGED, model_version=version, since=since).into(_Served)
        replayed = _replay(warehouse, contract, str(version), since, known_by)
        newest = _newest_extract(warehouse, contract, known_by)
        settled = [row for row in log if (row.lead_id, row.as_of) in replayed or newest is None or row.stage_entered_at <= newest]
        vectors, waiting = vectors + len(log), waiting + len(log) - len(settled)
        altered += [row.lead_id for row in log if digest(row.features) != row.feature_hash]
        mismatches += [m for row in settled for m in _compare(row, replayed.get((row.lead_id, row.as_of)), contract, str(version))]
    return ParityReport(vectors, waiting, tuple(altered), tuple(mismatches))


def _compare(row: _Served, again: Mapping[str, object] | None, contract: Contract, version: str) -> Iterator[Mismatch]:
    at = isoformat(row.as_of)
    if again is None:
        yield Mismatch(row.lead_id, at, version, "", None, None)
        return
    served: Vector = json.loads(row.features)
    for name in dict.fromkeys([*served, *(feature.name for feature in contract.usable)]):
        then, now = served.get(name, ABSENT), _plain(again.get(name, ABSENT))
        if canonical({name: then}) != canonical({name: now}):
            yield Mismatch(row.lead_id, at, version, name, then, now)


def _replay(
    warehouse: BulkWarehouse, contract: Contract, version: str, since: datetime, known_by: datetime
) -> dict[tuple[str, datetime], Mapping[str, object]]:
    """The vectors of this version's log by lead and instant, as training reads them."""
    known = {"known_by": known_by} if contract.lead.known_at else {}
    rows = warehouse.query(replay_query(contract), model_version=version, since=since, **known, **fitted_params(contract))
    found: dict[tuple[str, datetime], Mapping[str, object]] = {(str(row["lead_id"]), _instant(row["as_of"])): row for row in rows}
    if len(found) < len(rows):
        assert_single(warehouse, contract)
    return found


def replay_query(contract: Contract) -> Query:
    """One bulk query over the leads and instants of the log, with the CRD that training reads for each lead."""
    asks = f"""SELECT
  served.lead_id,
  leads.crd,
  served.as_of
FROM (
  SELECT DISTINCT
    lead_id,
    as_of
  FROM `scores.feature_log`
  WHERE model_version = @model_version
    AND as_of >= @since
) AS served
JOIN (
{leads_sql(contract)}
) AS leads
  ON leads.lead_id = served.lead_id"""
    kinds = {**_LOGGED.params, **({"known_by": "TIMESTAMP"} if contract.lead.known_at else {})}
    return Query(f"parity_{contract.name}", vectors_sql(contract, asks), {**kinds, **statistic_params(contract)})


def _newest_extract(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> datetime | None:
    """When the newest extract of leads was taken; None where leads come in one table without extracts."""
    lead = contract.lead
    if lead.known_at is None:
        return None
    taken = instant(f"s.`{lead.known_at}`")
    text = f"SELECT MAX({taken}) AS newest FROM {table_name(lead.table)} AS s WHERE {taken} <= @known_by"
    ((newest,),) = warehouse.query(Query(f"parity_newest_{contract.name}", text, {"known_by": "TIMESTAMP"}), known_by=known_by).values
    return None if newest is None else _instant(newest)


def _instant(value: object) -> datetime:
    assert isinstance(value, datetime)  # noqa: S101 - a TIMESTAMP column
    return value


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]
