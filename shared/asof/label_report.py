"""How the labels came about: what each contacted lead counts as, how late outcomes come, and what a window would catch."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.asof.compile import instant, table_name
from shared.asof.contract import Contract, Lead
from shared.asof.labels import LEFT_TRUNCATED, entries_sql, labels
from shared.errors import DataError
from shared.metrics.intervals import Estimate, wilson
from shared.ports import Query, Warehouse

WINDOWS = (7, 14, 30, 43, 60, 90)
RIPE_DAYS = WINDOWS[-1]
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class LabelReport:
    """statuses add up to contacted. converted_late: outcomes after the window, which are negatives.

    Lags, in days, are of outcomes at or after the contact of leads that had 90 days to come and were not contacted
    before outcomes were recorded. lag_days: their quantiles; captured: the share within each window, the declared one too.
    All three are empty where no such outcome has an instant of its own.
    reopened: leads contacted more than once; `reopened_rule` says which contact counts.
    """

    contract: str
    window_days: int
    contacted: int
    statuses: dict[str, int]
    converted_late: int
    reopened: int
    reopened_rule: str
    same_day: Estimate | None
    lag_days: dict[str, float]
    captured: dict[int, Estimate]


def label_report(warehouse: Warehouse, contract: Contract, known_by: datetime) -> LabelReport:
    """Raises DataError when no outcome follows a contact: then there is nothing to learn from."""
    rows = list(warehouse.query(labels(contract), known_by=known_by))
    window = contract.lead.outcome.window_days
    came = [row for row in rows if row["status"] != LEFT_TRUNCATED and _settled(row, known_by)]
    lags = np.array([_days(row["contacted_at"], row["outcome_at"]) for row in came])
    ripe = lags[(lags >= 0) & np.array([_age(row, known_by) >= RIPE_DAYS for row in came], bool)]
    followed = lags[lags >= 0]
    ripe = ripe if contract.lead.outcome.event_at else ripe[:0]
    if not len(followed):
        raise DataError("No outcome follows a contact.", fix="Check lead.outcome in the contract and the extract's outcome column.")
    return LabelReport(
        contract=contract.name,
        window_days=window,
        contacted=len(rows),
        statuses=dict(Counter(str(row["status"]) for row in rows)),
        converted_late=int((followed > window).sum()),
        reopened=int(str(warehouse.query(reopened(contract), known_by=known_by).values[0][0])) if contract.lead.known_at else 0,
        reopened_rule=contract.lead.reopened,
        same_day=wilson(int((ripe < 1).sum()), len(ripe)) if len(ripe) else None,
        lag_days={f"p{100 * q:.0f}": float(np.quantile(ripe, q)) for q in QUANTILES} if len(ripe) else {},
        captured={days: wilson(int((ripe <= days).sum()), len(ripe)) for days in sorted({*WINDOWS, window}) if len(ripe)},
    )


def _settled(row: dict[str, object], known_by: datetime) -> bool:
    outcome = row["outcome_at"]
    return isinstance(outcome, datetime) and outcome <= known_by


def _days(contacted: object, outcome: object) -> float:
    assert isinstance(contacted, datetime)  # noqa: S101 - TIMESTAMP columns of our own query
    assert isinstance(outcome, datetime)  # noqa: S101
    return (outcome - contacted).total_seconds() / _DAY_SECONDS


def _age(row: dict[str, object], known_by: datetime) -> float:
    return _days(row["contacted_at"], known_by)


def reopened(contract: Contract) -> Query:
    """How many leads had more than one contact: by the record of entries, or else as far as the extracts show."""
    lead = contract.lead
    times = entries_sql(lead.entries) if lead.entries else _contacts_sql(lead)
    return Query(f"reopened_{contract.name}", f"SELECT COUNTIF(times > 1) AS n\nFROM (\n{times}\n)\n", {"known_by": "TIMESTAMP"})


def _contacts_sql(lead: Lead) -> str:
    return f"""SELECT
  s.`{lead.key}` AS lead_id,
  COUNT(DISTINCT s.`{lead.contacted_at}`) AS times
FROM {table_name(lead.table)} AS s
WHERE s.`{lead.contacted_at}` IS NOT NULL
  AND {instant(f"s.`{lead.known_at}`")} <= @known_by
GROUP BY s.`{lead.key}`"""
