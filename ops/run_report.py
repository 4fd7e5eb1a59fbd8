"""What people read of a run: the model card and the report, both written from the run's own data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ops import charts
from ops.report import page
from shared.metrics.calibration import reliability
from shared.metrics.intervals import wilson
from shared.metrics.ranking import deciles
from training_job.train import Trained

NAMES = {
    "auc_roc": "AUC-ROC",
    "auc_pr": "AUC-PR",
    "lift_at_10": "Lift@10",
    "precision_at_10": "Precision@10",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
}


def card(summary: Mapping[str, Any]) -> str:
    """The model card, in Markdown."""
    lines = [
        f"# Model {summary['version']}",
        "",
        (
            f"{summary['chosen']}, contract {summary['contract']} ({summary['contract_hash']}), {summary['rows']:,} leads with "
            f"{summary['positives']:,} positives. **Verdict: {summary['verdict']}.**"
        ),
        "",
        *(f"- {reason}" for reason in summary["reasons"]),
        "",
        f"## The sealed period, from {summary['sealed_from'][:10]}, look number {summary['sealed_openings']}",
        "",
        "| measure | value | interval | n | positives |",
        "|---|---|---|---|---|",
        *(_row(name, summary["sealed"][key]) for key, name in NAMES.items()),
        "",
        f"The model: {summary['sealed_calibration']}.",
        f"Calibration: {summary['calibration']['words']}.",
        "",
        "## Families, AUC-PR by rolling origin",
        "",
        "| family | mean | standard error | train less judged |",
        "|---|---|---|---|",
        *(f"| {f['name']} | {f['auc_pr']:.4f} | {f['standard_error']:.4f} | {f['train_test_gap']:+.4f} |" for f in summary["families"]),
        "",
        "## What drives it",
        "",
        "| feature | mean absolute contribution |",
        "|---|---|",
        *(f"| {each['feature']} | {each['mean_abs_contribution']:.4f} |" for each in summary["importance"][:15]),
        "",
        "## Left out",
        "",
        *([f"- {each['feature']}: {each['why']}" for each in summary["removed_features"]] or ["Nothing."]),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, m: Mapping[str, float]) -> str:
    return f"| {name} | {m['value']:.4f} | {m['low']:.4f} to {m['high']:.4f} | {m['n']:,} | {m['positives']:,} |"


def html(summary: Mapping[str, Any], trained: Trained) -> str:
    """The report as one self-contained page."""
    sealed = trained.sealed
    assert sealed is not None
    return page(
        "run",
        s=summary,
        names=NAMES,
        decile_chart=_deciles(sealed.margin, sealed.rows.outcome, sealed.probability),
        reliability_chart=_reliability(sealed.probability, sealed.rows.outcome),
        distribution_chart=_distribution(sealed.probability),
    )


def _deciles(margin: Any, outcome: Any, probability: Any) -> str:
    bars = []
    for d in deciles(margin, outcome, probability):
        rate = wilson(d.positives, d.n)
        tip = f"decile {d.decile}: {d.positives} of {d.n}, predicted {d.mean_predicted:.1%}"
        bars.append(charts.Bar(str(d.decile), rate.value, rate.low, rate.high, d.mean_predicted, tip))
    return charts.bars(bars, "decile of the score, best first", "became positive")


def _reliability(probability: Any, outcome: Any) -> str:
    points = []
    for part in reliability(probability, outcome):
        rate = wilson(part.positives, part.n)
        points.append(charts.Point(part.mean_predicted, rate.value, rate.low, rate.high, f"n={part.n}"))
    return charts.reliability(points, "predicted", "happened")


def _distribution(probability: Any) -> str:
    counts, edges = np.histogram(100 * probability, bins=30)
    return charts.histogram(counts.tolist(), edges.tolist(), "predicted probability, %", "leads")
