"""The report of a replay as one HTML file."""

from collections.abc import Mapping, Sequence

import numpy as np

from ops.judge import Judged
from shared.config import ROOT
from shared.metrics.intervals import wilson
from shared.report import charts
from shared.report.page import page as render_page

_BINS = 30


def page(name: str, **values: object) -> str:
    """A template of ops/templates as one self-contained HTML file."""
    return render_page(ROOT / "ops" / "templates", name, **values)


def render(summary: Mapping[str, object], judged: Judged, latency_ms: Sequence[float]) -> str:
    return page(
        "demo",
        s=summary,
        judged=judged,
        decile_chart=_deciles(judged),
        reliability_chart=_reliability(judged),
        latency_chart=_latency(latency_ms),
        names={"auc_roc": "AUC-ROC", "auc_pr": "AUC-PR", "lift_at_10": "Lift@10", "brier_skill": "Brier skill"},
    )


def _deciles(judged: Judged) -> str:
    bars = []
    for decile in judged.deciles:
        rate = wilson(decile.positives, decile.n)
        happened = f"{decile.positives} of {decile.n}, {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]"
        tip = f"decile {decile.decile}: {happened}, predicted {decile.mean_predicted:.1%}"
        bars.append(charts.Bar(str(decile.decile), rate.value, rate.low, rate.high, decile.mean_predicted, tip))
    return charts.bars(bars, "decile of the score, best first", "became positive")


def _reliability(judged: Judged) -> str:
    points = []
    for part in judged.reliability:
        rate = wilson(part.positives, part.n)
        tip = f"predicted {part.mean_predicted:.1%}, happened {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}], n={part.n}"
        points.append(charts.Point(part.mean_predicted, rate.value, rate.low, rate.high, tip))
    return charts.reliability(points, "predicted", "happened")


def _latency(latency_ms: Sequence[float]) -> str:
    counts, edges = np.histogram(latency_ms, bins=_BINS, range=(0, float(np.quantile(latency_ms, 0.99)) * 1.1))
    return charts.histogram(counts.tolist(), edges.tolist(), "ms from stage change to Salesforce field")
