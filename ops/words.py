"""What the commands say at their end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.training import Registered
from shared.asof.label_report import LabelReport

NAMES = {"auc_roc": "AUC-ROC", "auc_pr": "AUC-PR", "lift_at_10": "Lift@10", "brier_skill": "Brier skill"}


def tell(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    """The summary of a demo run."""
    s = summary
    console.print()
    letters = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in s["dead_letter_reasons"].items())
    console.print(
        f"[bold]{s['events_sent']:,}[/] leads contacted, [bold]{s['scored']:,}[/] scored, [bold]{s['synced']:,}[/] written to Salesforce, "
        f"{s['unchanged']:,} found unchanged, {s['dead_lettered']:,} dead-lettered" + (f" ({letters})" if letters else "")
    )
    console.print(f"event to field: p50 {s['latency_ms']['p50']:.0f} ms, p95 {s['latency_ms']['p95']:.0f} ms")
    night = s["nightly"]
    console.print(
        f"nightly batch: {night['open']:,} open leads, {night['scored']:,} without a score got one, "
        f"{night['not_scored']:,} cannot be scored yet; {night['written']:,} records written, {night['unchanged']:,} unchanged"
    )
    console.print(_figures(s["metrics"]))
    console.print(f"The model {s['calibration']}.")
    console.print(_deciles(s["deciles"]))
    for name, why in {**s["refused_features"], **s["removed_features"]}.items():
        console.print(f"not used: [bold]{name}[/] - {escape(why)}")
    for example in s["examples"]:
        console.print(
            f"\n[bold]{example['band']}[/], percentile {example['percentile']:.0f}, {example['probability']:.1%} ({example['lead_id']})"
        )
        for reason in example["reasons"]:
            console.print(f"  {escape(reason)}")
    console.print(f"\nReport: {out / 'report.html'}   Summary: {out / 'summary.json'}   ({s['seconds']} s)")


def tell_trained(console: Console, registered: Registered, *, promoted: bool) -> None:
    """What was trained, on what, and how good it looks by rolling origin."""
    trained, labels = registered.trained, registered.dataset.statuses
    console.print(
        f"labels: {', '.join(f'{n:,} {name}' for name, n in labels.items())}; {registered.dataset.unmatched:,} without a vendor row"
    )
    for each in trained.tried:
        console.print(f"{each.name}: AUC-PR by period {', '.join(f'{value:.3f}' for value in each.auc_pr)}")
    console.print(
        _figures({name: {f: getattr(e, f) for f in ("value", "low", "high", "n", "positives")} for name, e in trained.metrics.items()})
    )
    role = "champion" if promoted else "registered; promote it with ./leadscore models promote"
    console.print(f"[bold]{trained.version}[/] ({trained.family}): {role}")


def _figures(metrics: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table("measure", "value", "95 % interval", "n", "positives")
    for key, name in NAMES.items():
        m = metrics[key]
        table.add_row(name, f"{m['value']:.3f}", f"{m['low']:.3f} to {m['high']:.3f}", f"{m['n']:,}", f"{m['positives']:,}")
    return table


def _deciles(deciles: list[Mapping[str, Any]]) -> Table:
    from shared.metrics.intervals import wilson  # noqa: PLC0415

    table = Table("decile", "leads", "positive", "rate", "95 % interval", "predicted")
    for d in deciles:
        rate = wilson(d["positives"], d["n"])
        interval = f"{rate.low:.1%} to {rate.high:.1%}"
        table.add_row(str(d["decile"]), f"{d['n']:,}", f"{d['positives']:,}", f"{rate.value:.1%}", interval, f"{d['mean_predicted']:.1%}")
    return table


def tell_labels(console: Console, report: LabelReport) -> None:
    table = Table("counts as", "leads", "share")
    for status, count in sorted(report.statuses.items(), key=lambda item: -item[1]):
        table.add_row(status.replace("_", " "), f"{count:,}", f"{count / report.contacted:.1%}")
    table.add_row("[bold]contacted[/]", f"[bold]{report.contacted:,}[/]", "")
    console.print(table)
    console.print(f"{report.converted_late:,} converted after the window of {report.window_days} days and count as negative")
    console.print(f"{report.reopened:,} were contacted more than once; the {report.reopened_rule} contact counts")
    if report.same_day is None:
        console.print("How late outcomes come cannot be told: they have no instant of their own, or none is old enough.")
        return
    quantiles = ", ".join(f"{name} {days:.1f}" for name, days in report.lag_days.items())
    console.print(f"days from contact to outcome: {quantiles}; same day {report.same_day.value:.0%}")
    windows = Table("window", "outcomes caught", "95 % interval", "n", "against the declared one")
    declared = report.captured[report.window_days]
    for days, share in report.captured.items():
        more, later = share.value - declared.value, days - report.window_days
        said = f"{100 * more:+.1f} points, labels settle {later:+d} days" if later else "[bold]declared[/]"
        windows.add_row(f"{days} days", f"{share.value:.1%}", f"{share.low:.1%} to {share.high:.1%}", f"{share.n:,}", said)
    console.print(windows)
