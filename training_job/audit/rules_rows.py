"""Rules about rows and values: clocks and batches, the same person twice, ids, keys that repeat, serving that differs."""

import json
from collections.abc import Iterator

import numpy as np

from shared.asof.contract import Contract, Source
from shared.asof.visible import known_instant, table_name
from shared.ports import Query
from training_job.audit.evidence import Evidence, Floats
from training_job.audit.findings import Finding
from training_job.filters import CLOCK_SHARE, between_groups

BATCH_SHARE = 0.10
TWIN_SHARE = 0.01
UNIQUE_SHARE, ORDER_CORRELATION = 0.99, 0.95
MANY_LEVELS = 60
USUAL_COUNT = 2
ENOUGH_ROWS = 100
SERVED_ROWS, SERVED_DISTANCE = 5000, 0.2


def clock(e: Evidence) -> Iterator[Finding]:
    """(g) A feature that the week of contact all but tells, or that comes in batches."""
    for name, then in e.then.items():
        share = between_groups(then[:, None], e.week)
        if share > CLOCK_SHARE:
            yield Finding(
                name,
                "clock",
                "note",
                f"The week tells {share:.0%} of it: it is a clock, and training removes it.",
                "Nothing to do, or use its change against a year before.",
                {"between_weeks": share},
            )
        elif share > BATCH_SHARE:
            yield Finding(
                name,
                "batch",
                "suspect",
                f"The week tells {share:.0%} of it: it comes in batches, as a list or a file does.",
                "Check what a batch is; a model would learn which list a lead was on.",
                {"between_weeks": share},
            )


def counts_itself(e: Evidence) -> Iterator[Finding]:
    """(b) A count kept with the contact that is never nought may count the contact itself."""
    for feature in e.contract.usable:
        then = e.then[feature.name]
        known = then[np.isfinite(then)]
        event = feature.source in e.contract.sources and e.contract.sources[feature.source].kind == "event"
        if (
            event
            and feature.dtype == "float"
            and len(known)
            and known.min() == 1
            and (known == np.round(known)).all()
            and np.median(known) <= USUAL_COUNT
        ):
            yield Finding(
                feature.name,
                "counts_itself",
                "note",
                "A whole number that is never 0 and usually 1 or 2: it may count the contact it is meant to predict.",
                "Make sure that serving reads it at the same moment, before or after counting, as the extract did.",
                {"smallest": 1, "share_of_ones": float((known == 1).mean())},
            )


def twins(e: Evidence) -> Iterator[Finding]:
    """(h) The same person as several leads, some before and some after: a split by time does not part them."""
    known = e.crd[np.isfinite(e.crd)]
    _, first, count = np.unique(known, return_index=True, return_counts=True)
    again = int(count[count > 1].sum())
    if again > TWIN_SHARE * e.rows:
        yield Finding(
            "leads",
            "twins",
            "suspect",
            f"{again:,} of {e.rows:,} leads share their CRD with another lead.",
            "Keep a person's leads on one side of every split.",
            {"leads": again, "people": int((count > 1).sum()), "first_seen": len(first)},
        )


def identifiers(e: Evidence) -> Iterator[Finding]:
    """(i) A number that is nearly different in every row and rises with them is an id; a category of many levels is free text."""
    for feature in e.contract.usable:
        then = e.then[feature.name]
        known = np.isfinite(then)
        if feature.dtype == "category" and len(feature.levels) > MANY_LEVELS:
            yield _identifier(feature.name, f"It has {len(feature.levels)} levels: that is free text, not a category.", len(feature.levels))
        elif feature.dtype == "float" and known.sum() > ENOUGH_ROWS and (then[known] == np.round(then[known])).all():
            unique = len(np.unique(then[known])) / known.sum()
            if unique >= UNIQUE_SHARE and abs(np.corrcoef(_rank(then[known]), np.arange(known.sum()))[0, 1]) >= ORDER_CORRELATION:
                yield _identifier(
                    feature.name, f"{unique:.0%} of its values are different whole numbers in the order of the leads: it is an id.", unique
                )


def _identifier(name: str, sentence: str, evidence: float) -> Finding:
    return Finding(
        name, "identifier", "suspect", sentence, "Leave it out: it can only recall rows, not tell of new ones.", {"seen": evidence}
    )


def _rank(values: Floats) -> Floats:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)


def repeated_keys(e: Evidence) -> Iterator[Finding]:
    """(h) Rows that share everything that should tell them apart: which one is used is chance, and a plain join multiplies leads."""
    for name, source in e.contract.sources.items():
        rows = list(e.warehouse.query(_repeated(e.contract, source), known_by=e.known_by))
        if not rows:
            continue
        groups, extra = int(str(rows[0]["groups_"])), int(str(rows[0]["extra"]))
        worst = int(str(rows[0]["copies"]))
        keys = ", ".join(str(row["key_"]) for row in rows)
        yield Finding(
            f"source {name}",
            "repeated_keys",
            "suspect",
            f"{extra:,} rows of {source.table or e.contract.lead.table} repeat the key of another, in {groups:,} groups of up to {worst} "
            f"(for example {keys}): a plain join would count those leads as often.",
            "Load it through ./leadscore ingest with a rule for duplicates, or add to `grain` the column that tells them apart.",
            {"extra_rows": extra, "groups": groups, "most_copies": worst},
        )


def _repeated(contract: Contract, source: Source) -> Query:
    key = source.key or contract.lead.key
    clocks = [column for column in (source.event_time, source.known_at) if column]
    columns = ", ".join(f"s.`{column}`" for column in dict.fromkeys([key, *source.grain, *clocks]))
    text = f"""SELECT
  CAST(key_ AS STRING) AS key_,
  copies,
  COUNT(*) OVER () AS groups_,
  SUM(copies - 1) OVER () AS extra
FROM (
  SELECT
    s.`{key}` AS key_,
    COUNT(*) AS copies
  FROM {table_name(source.table or contract.lead.table)} AS s
  WHERE {known_instant(source)} <= @known_by
  GROUP BY {columns}
  HAVING COUNT(*) > 1
)
ORDER BY copies DESC, key_
LIMIT 3
"""
    return Query(f"audit_repeated_{contract.name}", text, {"known_by": "TIMESTAMP"})


def served_otherwise(e: Evidence) -> Iterator[Finding]:
    """(j) What the functions served looks different from what training reads."""
    served = e.warehouse.query(Query("audit_served", f"SELECT features FROM `scores.feature_log` ORDER BY as_of DESC LIMIT {SERVED_ROWS}"))
    vectors = [json.loads(str(row[0])) for row in served.values]
    recent = slice(max(0, e.rows - max(len(vectors), 1)), None)
    for feature in e.contract.usable:
        known = [vector[feature.name] for vector in vectors if feature.name in vector]
        if feature.dtype == "category" or not known:
            continue
        values = np.array([np.nan if value is None else float(value) for value in known])
        distance = _distance(e.then[feature.name][recent], values)
        if distance > SERVED_DISTANCE:
            yield Finding(
                feature.name,
                "served_otherwise",
                "suspect",
                f"What was served differs from what training reads of the same months (KS distance {distance:.2f}, n {len(values):,}).",
                "Run ./leadscore parity: it names the leads and both values.",
                {"ks": distance, "served": len(values)},
            )


def _distance(a: Floats, b: Floats) -> float:
    """Kolmogorov-Smirnov distance, missing values being the lowest of all."""
    low_a, low_b = np.sort(np.nan_to_num(a, nan=-np.inf)), np.sort(np.nan_to_num(b, nan=-np.inf))
    points = np.unique(np.concatenate([low_a, low_b]))
    return float(np.abs(np.searchsorted(low_a, points, "right") / len(a) - np.searchsorted(low_b, points, "right") / len(b)).max())
