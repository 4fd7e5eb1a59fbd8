"""Advisors who are not leads, scored by the champion: the same query, asked by crd alone."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from functions.score_batch import judge_each
from shared import sql
from shared.asks import Vector, answer
from shared.asof.prospects import prospects
from shared.errors import Terminal
from shared.lead import Ask
from shared.model.artifact import Artifact
from shared.ports import Warehouse
from shared.score import Judgement, canonical, digest, reasons_json

TABLE = "scores.prospects"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Prospect:
    """One line of `scores.prospects`."""

    crd: int
    model_version: str
    as_of: datetime
    scored_at: datetime
    margin: float
    probability: float
    percentile: float
    score: int
    band: str
    reasons: str
    feature_hash: str


@dataclass(slots=True)
class Scored:
    """How many advisors got a score, had one, and could not be scored, by reason."""

    new: int
    before: int
    refused: Counter[str]


def score_prospects(warehouse: Warehouse, model: Artifact, as_of: datetime, now: datetime, tick: Callable[[int], None]) -> Scored:
    """Score in pages, each written before the next is asked for. Safe to repeat: what has a score keeps it."""
    done = Scored(0, 0, Counter())
    for page in warehouse.pages(prospects(model.contract), _PAGE, as_of=as_of):
        asks = [Ask(f"crd-{row['crd']}", int(str(row["crd"])), as_of) for row in page]
        answers = answer(warehouse, model.contract, asks)
        scored = []
        for ask, vector, judged in zip(asks, answers, judge_each(model, answers), strict=True):
            if isinstance(vector, Terminal) or isinstance(judged, Terminal):
                done.refused[judged.code if isinstance(judged, Terminal) else "unknown"] += 1
            else:
                scored.append(_row(ask, vector, judged, model.version, now))
        new = warehouse.append(TABLE, scored)
        done.new, done.before = done.new + new, done.before + len(scored) - new
        tick(len(asks))
    return done


def write_csv(warehouse: Warehouse, model: Artifact, as_of: datetime, out: Path) -> int:
    """The prospects of one run, best first; returns how many."""
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rank", "crd", "score", "probability", "percentile", "band", "reasons"])
        for page in warehouse.pages(sql.load("ranked_prospects"), _PAGE, model_version=model.version, as_of=as_of):
            for crd, score, probability, percentile, band, reasons in page.values:
                count += 1
                said = "; ".join(reason["text"] for reason in json.loads(str(reasons)))
                writer.writerow([count, crd, score, f"{probability:.6f}", f"{percentile:.2f}", band, said])
    return count


def _row(ask: Ask, vector: Vector, judged: Judgement, version: str, now: datetime) -> Prospect:
    assert ask.crd is not None
    return Prospect(
        crd=ask.crd,
        model_version=version,
        as_of=ask.as_of,
        scored_at=now,
        margin=judged.margin,
        probability=judged.probability,
        percentile=judged.percentile,
        score=judged.score,
        band=judged.band,
        reasons=reasons_json(judged.reasons),
        feature_hash=digest(canonical(vector)),
    )
