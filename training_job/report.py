"""What people read of a run: the model card and the report, both written from the run's own data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.metrics.calibration import reliability
from shared.metrics.intervals import wilson
from shared.metrics.ranking import Ranked, deciles, precision_at, recall_at
from shared.metrics.summary import gains, period_of
from shared.report import charts
from shared.report.page import page
from training_job.dataset import Dataset
from training_job.trained import Trained

NAMES = {
    "auc_roc": "AUC-ROC",
    "auc_pr": "AUC-PR",
    "lift_at_10": "Lift@10",
    "precision_at_10": "Precision@10",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
}


def card(s: Mapping[str, Any]) -> str:
    """The model card, in Markdown."""
    counts = f"{s['rows']:,} leads with {s['positives']:,} positives"
    lines = [
        f"# Model {s['version']}",
        "",
        f"{s['chosen']}, contract {s['contract']} ({s['contract_hash']}), {counts}. **Verdict: {s['verdict']}.**",
        "",
        *(f"- {reason}" for reason in s["reasons"]),
        *_figures(s),
        *_candidates(s),
        *_drivers(s),
        *_left_out(s),
    ]
    return "\n".join(lines) + "\n"


def _figures(s: Mapping[str, Any]) -> list[str]:
    return [
        *_section(f"The sealed period {s['sealed']['period']}, opening number {s['sealed_openings']}"),
        "| measure | value | interval | n | positives |",
        "|---|---|---|---|---|",
        *(_row(name, s["sealed"][key]) for key, name in NAMES.items()),
        "",
        f"The model {s['sealed']['calibration']}. Calibration by {s['calibration']['method']}, chosen by Brier skill on later periods.",
    ]


def _candidates(s: Mapping[str, Any]) -> list[str]:
    periods = {family["name"]: ", ".join(f"{value:.3f}" for value in family["auc_pr"]["by_period"]) for family in s["families"]}
    return [
        *_section("Candidates, AUC-PR by rolling origin"),
        "| candidate | mean | by period |",
        "|---|---|---|",
        *(f"| {family['name']} | {family['auc_pr']['mean']:.4f} | {periods[family['name']]} |" for family in s["families"]),
        "",
        f"Learning curve: {s['learning_curve']['words']}.",
        *(["", f"For comparison, {s['random_split']['words']}."] if s["random_split"] else []),
    ]


def _drivers(s: Mapping[str, Any]) -> list[str]:
    beliefs = [f"- {each['claim']}: **{each['ruling']}** ({each['why']})" for each in s["hypotheses"]]
    return [
        *_section("What drives it"),
        "| feature | mean absolute contribution | share | spread over periods |",
        "|---|---|---|---|",
        *(f"| {f['feature']} | {f['importance']:.4f} | {f['share']:.1%} | {f['spread']:.4f} |" for f in s["importance"][:15]),
        *_section("What the business believes"),
        *(beliefs or ["Nothing is declared for this contract."]),
    ]


def _left_out(s: Mapping[str, Any]) -> list[str]:
    removed = [f"- {each['feature']} {each['sentence']}" for each in s["removed_features"] if each["where"] == "model"]
    refused = [f"- {name}: {why}" for name, why in s["refused_features"].items()]
    return [*_section("Left out"), *(removed + refused or ["Nothing."])]


def _section(title: str) -> list[str]:
    return ["", f"## {title}", ""]


def _row(name: str, m: Mapping[str, float]) -> str:
    return f"| {name} | {m['value']:.4f} | {m['low']:.4f} to {m['high']:.4f} | {m['n']:,} | {m['positives']:,} |"


def html(said: Mapping[str, Any], trained: Trained, dataset: Dataset) -> str:
    """The report as one self-contained page; of a model that was judged on a sealed period."""
    sealed = trained.sealed
    if sealed is None:
        raise ValueError("There is no sealed period to report on.")
    outcome = dataset.outcome[sealed.rows.judge]
    period = period_of(dataset.contacted_at[sealed.rows.judge])
    return page(
        Path(__file__).parent / "templates",
        "run",
        s=said,
        names=NAMES,
        decile_chart=_deciles(sealed.margin, outcome, sealed.probability),
        reliability_chart=_reliability(sealed.probability, outcome),
        distribution_chart=_distribution(sealed.probability),
        gains_chart=_gains(sealed.margin, outcome, period),
        precision_chart=_precision(sealed.margin, outcome),
        learning_chart=_learning(said["learning_curve"]["steps"]),
        months_chart=_months(said["backtest"]["months"]),
        drift=sorted((c for c in said["gate"]["checks"] if c["figure"].startswith("drift.")), key=lambda c: -c["value"]["value"]),
    )


def _gains(margin: Any, outcome: Any, period: Any) -> str:
    found = gains(margin, outcome, period, resamples=100)
    points = [charts.Point(0, 0, 0, 0, "")]
    points += [charts.Point(at / 100, e.value, e.low, e.high, f"best {at} %: {e.value:.0%} of the positives") for at, e in found.items()]
    return charts.line(points, charts.Axes("share of the leads, best first", "share of the positives found"), diagonal=True)


def _precision(margin: Any, outcome: Any) -> str:
    ranked = Ranked.of(margin, outcome)
    shares = [share / 50 for share in range(1, 51)]
    points = []
    for share in shares:
        recall, precision = recall_at(ranked, share), precision_at(ranked, share)
        points.append(charts.Point(recall, precision, precision, precision, f"best {share:.0%}: {precision:.1%} positive"))
    return charts.line(points, charts.Axes("recall: share of the positives found", "precision: share positive"))


def _learning(steps: Sequence[Mapping[str, Any]]) -> str:
    points = [
        charts.Point(step["rows"], step["auc_roc"]["value"], step["auc_roc"]["low"], step["auc_roc"]["high"], f"{step['rows']:,} leads")
        for step in steps
    ]
    return charts.line(points, charts.Axes("leads learned from", "AUC-ROC of the last period")) if points else ""


def _months(months: Sequence[Mapping[str, Any]]) -> str:
    bars = []
    for m in months:
        rate = m["actual"]
        tip = f"{m['month']}: expected {m['expected']:.0f}, came {m['positives']} of {m['n']}"
        bars.append(charts.Bar(m["month"], rate["value"], rate["low"], rate["high"], m["expected"] / m["n"], tip))
    return charts.bars(bars, "month, as if deployed", "became positive") if bars else ""


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
