"""How the labels came about: what each contacted lead counts as, how late outcomes come, and what a window would catch."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.asof.compile import instant, table_name
from shared.asof.contract import Contract
from shared.asof.labels import labels
from shared.errors import DataError
from shared.metrics.intervals import Estimate, wilson
from shared.ports import Query, Warehouse

WINDOWS = (7, 14, 30, 43, 60, 90)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class LabelReport:
    """statuses add up to contacted. lag_days: quantiles of days from contact to outcome, of outcomes at or after contact.

    captured: of those outcomes that had 90 days to come, the share within each window. converted_late: outcomes after
    the window, which are negatives. reopened: leads contacted anew after an earlier contact; the latest contact counts.
    """

    contract: str
    window_days: int
    contacted: int
    statuses: dict[str, int]
    converted_late: int
    reopened: int
    same_day: Estimate
    lag_days: dict[str, float]
    captured: dict[int, Estimate]


def label_report(warehouse: Warehouse, contract: Contract, known_by: datetime) -> LabelReport:
    """Raises DataError when no outcome follows a contact: then there is nothing to learn from."""
    rows = list(warehouse.query(labels(contract), known_by=known_by))
    window = contract.lead.outcome.window_days
    lags = np.array([_days(row["contacted_at"], row["outcome_at"]) for row in rows if _settled(row, known_by)])
    followed = lags[lags >= 0]
    if not len(followed):
        raise DataError("No outcome follows a contact.", fix="Check lead.outcome in the contract and the extract's outcome column.")
    old = np.array([_age(row, known_by) >= WINDOWS[-1] for row in rows if _settled(row, known_by)])
    ripe = lags[(lags >= 0) & old]
    return LabelReport(
        contract=contract.name,
        window_days=window,
        contacted=len(rows),
        statuses=dict(Counter(str(row["status"]) for row in rows)),
        converted_late=int((followed > window).sum()),
        reopened=_reopened(warehouse, contract, known_by),
        same_day=wilson(int((followed < 1).sum()), len(followed)),
        lag_days={f"p{100 * q:.0f}": float(np.quantile(followed, q)) for q in QUANTILES},
        captured={days: wilson(int((ripe <= days).sum()), len(ripe)) for days in WINDOWS},
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


def _reopened(warehouse: Warehouse, contract: Contract, known_by: datetime) -> int:
    """Leads whose extracts show more than one instant of contact."""
    lead = contract.lead
    if lead.known_at is None:
        return 0
    text = f"""SELECT COUNT(*) AS n
FROM (
  SELECT s.`{lead.key}` AS lead_id
  FROM {table_name(lead.table)} AS s
  WHERE s.`{lead.contacted_at}` IS NOT NULL
    AND {instant(f"s.`{lead.known_at}`")} <= @known_by
  GROUP BY lead_id
  HAVING COUNT(DISTINCT s.`{lead.contacted_at}`) > 1
)
"""
    return int(str(warehouse.query(Query(f"reopened_{contract.name}", text, {"known_by": "TIMESTAMP"}), known_by=known_by).values[0][0]))
