"""Rules about time: what hindsight changes, what a row says of days after it was known, what comes later than claimed."""

import re
from collections.abc import Iterator

import numpy as np

from shared.asof.contract import ASKED, DERIVED, Contract, Feature, Source
from shared.asof.visible import instant, known_instant, table_name
from shared.ports import Query
from training_job.audit.evidence import EARLIER_DAYS, Evidence, Floats
from training_job.audit.findings import Finding
from training_job.audit.power import power

CHANGED_SHARE = 0.005
SAME_SHARE, OTHER_SHARE = 0.5, 0.1
ASKED_EARLIER_SHARE = 0.5
FUTURE_SHARE = 0.001
POWER_JUMP, POWER_Z = 0.08, 4.0
SETTLED_DAYS, RECENT_DAYS, MIN_EXPECTED = 240, 150, 0.3
ENOUGH_MONTHS = 6
ENOUGH_ROWS, ENOUGH_VALUES = 100, 10
MISSING_SHARE, MISSING_Z = 0.75, 6.0
_MACHINE_CLOCK = re.compile(r"\b(CURRENT_(DATE|TIME|TIMESTAMP|DATETIME)|NOW)\b", re.IGNORECASE)
_CLOCK_TYPES = ("DATE", "TIMESTAMP")


def hindsight(e: Evidence) -> Iterator[Finding]:
    """(a) The same instant asked about again with all that became known since: which values change."""
    for name, then in e.then.items():
        now = e.hindsight[name]
        changed = float(np.mean(~_same(then, now)))
        if changed > CHANGED_SHARE:
            yield Finding(
                feature=name,
                rule="hindsight",
                severity="note",
                sentence=f"{changed:.1%} of the values at contact read differently today.",
                remedy="Nothing to do: the as-of query already uses the values of then.",
                evidence={"changed_share": changed, "rows": e.rows},
            )


def todays_value(e: Evidence) -> Iterator[Finding]:
    """(a, j) A value that is another feature's value of today, and not of then: a current table under an old date."""
    moving = {g: v for g, v in e.then.items() if _agreement(v, e.today[g]) < SAME_SHARE}
    for name, then in e.then.items():
        for other in moving:
            if other == name:
                continue
            today, at_contact = _agreement(then, e.today[other]), _agreement(then, e.then[other])
            if today >= SAME_SHARE and at_contact <= OTHER_SHARE:
                yield Finding(
                    feature=name,
                    rule="todays_value",
                    severity="leak",
                    sentence=f"At contact it already equals what {other} is today for {today:.0%} of leads, and what {other} was then for "
                    f"{at_contact:.0%}.",
                    remedy=f"Read it from a source with history, as {other} does, or give its rows the instant they were really delivered.",
                    evidence={"equals_today": today, "equals_then": at_contact, "rows": e.rows},
                )
                break


def sudden_power(e: Evidence) -> Iterator[Finding]:
    """(f) A feature that tells little a month before the contact and much at it has learned something in between."""
    half = e.week % 2
    for name, then in e.then.items():
        earlier = e.earlier[name]
        if np.isfinite(earlier).mean() < ASKED_EARLIER_SHARE * np.isfinite(then).mean():
            continue
        before, at_contact = power(earlier, e.outcome, e.month, half), power(then, e.outcome, e.month, half)
        if at_contact.auc - before.auc >= POWER_JUMP and at_contact.z - before.z >= POWER_Z:
            yield Finding(
                feature=name,
                rule="sudden_power",
                severity="suspect",
                sentence=f"Its AUC is {before.auc:.2f} when asked {EARLIER_DAYS} days before the contact and {at_contact.auc:.2f} at it.",
                remedy="Check what writes this value, and whether it does so because of the contact.",
                evidence={"auc_earlier": before.auc, "auc_at_contact": at_contact.auc, "z": at_contact.z},
            )


def machine_clock(e: Evidence) -> Iterator[Finding]:
    """(b) An expression that asks the machine what time it is."""
    for feature in e.contract.usable:
        if found := _MACHINE_CLOCK.search(feature.sql or ""):
            yield Finding(
                feature=feature.name,
                rule="machine_clock",
                severity="leak",
                sentence=f"Its expression reads {found.group().upper()}, so it changes with the day it is computed on.",
                remedy="Use as_of.",
                evidence={"sql": feature.sql or ""},
            )


def later_content(e: Evidence) -> Iterator[Finding]:
    """(b) A row that names a day after the instant it claims to have been known was written, or changed, later."""
    for name, source in e.contract.sources.items():
        for column, share, rows in _later_columns(e, source):
            readers = [f for f in e.contract.usable if f.source == name]
            for feature in readers:
                reads = _reads(feature, column)
                if reads or source.kind != "event":
                    yield _later(feature, source.table or e.contract.lead.table, column, share, rows, reads=reads)


def _later(feature: Feature, table: str, column: str, share: float, rows: int, *, reads: bool) -> Finding:
    though = "" if reads else "; it reads those rows, though not that column"
    return Finding(
        feature=feature.name,
        rule="later_content",
        severity="leak" if reads else "suspect",
        sentence=f"{share:.1%} of the rows of {table} hold a {column} later than the instant they claim to have been known, "
        f"so they were written afterwards{though}.",
        remedy=f"Keep each version of a row with the instant it arrived, or declare {feature.name} known: after_contact.",
        evidence={"later_share": share, "rows": rows, "column": column},
    )


def early_claims(e: Evidence) -> Iterator[Finding]:
    """(a) Rows about the last months are missing although, by the lags the source claims, they should be here."""
    for name, source in e.contract.sources.items():
        if source.event_time is None or source.kind == "event":
            continue
        seen = _missing_of_late(e, source)
        if seen is None:
            continue
        observed, expected, month = seen
        if observed <= MISSING_SHARE * expected and (expected - observed) / np.sqrt(expected) >= MISSING_Z:
            yield Finding(
                feature=f"source {name}",
                rule="early_claims",
                severity="leak",
                sentence=f"By its own known_at, {expected:,.0f} rows about {month} should be here; there are {observed:,.0f}. "
                "The rest will arrive later under a date that claims they were known.",
                remedy="Set known_at to the delivery of each row; where the vendor cannot say, declare lag_days under a waiver.",
                evidence={"observed": observed, "expected": expected, "month": month},
            )


def _missing_of_late(e: Evidence, source: Source) -> tuple[float, float, str] | None:
    """Rows seen and expected about the month least complete among the last ones; None where nothing can be said."""
    arrivals = e.warehouse.arrow(_arrivals(e.contract, source), known_by=e.known_by).to_pandas()
    day = arrivals["day"].to_numpy("datetime64[D]")
    lag, n = arrivals["lag"].to_numpy(np.float64), arrivals["n"].to_numpy(np.float64)
    today = np.datetime64(e.known_by.replace(tzinfo=None), "D")
    month = day.astype("datetime64[M]")
    last_settled = (today - SETTLED_DAYS).astype("datetime64[M]")
    old = month < last_settled
    usual = [n[month == m].sum() for m in np.unique(month[old & (month >= last_settled - 12)])]
    if len(usual) < ENOUGH_MONTHS:
        return None
    day_of_month = (day - month.astype("datetime64[D]")).astype(np.int64)
    days = np.bincount(day_of_month[old], n[old], minlength=31) / n[old].sum()
    order = np.argsort(lag[old])
    reach = np.cumsum(n[old][order]) / n[old].sum()
    seen = []
    for m in np.arange((today - RECENT_DAYS).astype("datetime64[M]"), today.astype("datetime64[M]") + 1):
        ages = (today - (m.astype("datetime64[D]") + np.arange(31))).astype(np.float64)
        arrived = float(days @ _share_within(lag[old][order], reach, ages))
        if arrived >= MIN_EXPECTED:
            seen.append((float(n[month == m].sum()), float(np.median(usual)) * arrived, str(m)))
    return min(seen, key=lambda each: each[0] / each[1], default=None)


def _share_within(lags: Floats, reach: Floats, ages: Floats) -> Floats:
    """The share of rows that are here `ages` days after what they tell of; `reach` is the share with a lag up to each of `lags`."""
    return np.concatenate([[0.0], reach])[np.searchsorted(lags, ages, "right")]


def _arrivals(contract: Contract, source: Source) -> Query:
    """Rows per day of the event and days of lag, each row counted at its first version."""
    happened, known = instant(f"s.`{source.event_time}`"), known_instant(source)
    key = ", ".join(f"s.`{column}`" for column in dict.fromkeys([source.key or contract.lead.key, *source.grain]))
    text = f"""SELECT
  DATE(happened) AS day,
  DATE_DIFF(DATE(known), DATE(happened), DAY) AS lag,
  COUNT(*) AS n
FROM (
  SELECT
    {happened} AS happened,
    MIN({known}) AS known
  FROM {table_name(source.table or contract.lead.table)} AS s
  WHERE {known} <= @known_by
    AND {happened} <= @known_by
  GROUP BY {key}, s.`{source.event_time}`
)
GROUP BY day, lag
"""
    return Query(f"audit_arrivals_{contract.name}", text, {"known_by": "TIMESTAMP"})


def _later_columns(e: Evidence, source: Source) -> Iterator[tuple[str, float, int]]:
    table = source.table or e.contract.lead.table
    outcome = e.contract.lead.outcome
    clocks = {source.known_at, source.event_time, outcome.event_at, outcome.column, e.contract.lead.contacted_at}
    for column, kind in e.warehouse.columns(table_name(table).strip("`")).items():
        if not kind.upper().startswith(_CLOCK_TYPES) or column in clocks:
            continue
        known, said = known_instant(source), instant(f"s.`{column}`")
        text = f"""SELECT
  COUNT(*) AS n,
  COALESCE(SUM(IF({said} > TIMESTAMP_ADD({known}, INTERVAL 1 DAY), 1, 0)), 0) AS later
FROM {table_name(table)} AS s
WHERE {known} <= @known_by
"""
        query = Query(f"audit_later_{e.contract.name}", text, {"known_by": "TIMESTAMP"})
        rows, later = e.warehouse.query(query, known_by=e.known_by).values[0]
        if rows and int(str(later)) / int(str(rows)) > FUTURE_SHARE:
            yield column, int(str(later)) / int(str(rows)), int(str(rows))


def _reads(feature: Feature, column: str) -> bool:
    return feature.source not in {DERIVED, ASKED} and column in re.findall(r"\w+", feature.sql or feature.column or "")


def _same(a: Floats, b: Floats) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return (np.isnan(a) & np.isnan(b)) | np.isclose(a, b, rtol=1e-9, atol=1e-12)


def _agreement(a: Floats, b: Floats) -> float:
    """The share of equal values among rows where both are known and not nought; 0 with few such rows."""
    both = np.isfinite(a) & np.isfinite(b) & ((a != 0) | (b != 0))
    if both.sum() < ENOUGH_ROWS or len(np.unique(a[both])) <= ENOUGH_VALUES:
        return 0.0
    return float(np.isclose(a[both], b[both], rtol=1e-6).mean())
