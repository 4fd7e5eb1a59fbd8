"""The whole loop on a laptop: make a world, train, serve, replay what comes after, let it mature, and report."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops import report
from ops.judge import Judged, judge_replay
from ops.replay import Replay, replay
from ops.training import Registered, promote, train_and_register
from sandbox.cloud import running
from sandbox.world import World, events, held, make_file_world, make_market_world
from shared.clock import isoformat
from training_job.manifest import HEADLINE
from training_job.verdict import calibration_words

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Without `data` the synthetic market is used. `limit` replays only so many events."""

    out: Path
    world: Path
    contract: Path
    data: Path | None
    until: datetime | None
    seed: int
    leads: int
    limit: int | None


def run(options: Options, console: Console) -> dict[str, object]:
    """Run every phase; returns the summary, which is also written to `out` beside the report."""
    started = time.monotonic()
    with held(options.world):
        with _phase(console, "World") as say:
            world = make_world(options)
            say(f"{world.contract.name}: training may know what was known by {world.known_by:%Y-%m-%d}")
        with _phase(console, "Model") as say:
            registered = train_and_register(world, say)
            promote(world.path, registered.trained.version, by="demo", reason="first model of this world")
            say(f"champion {registered.trained.version}: {registered.trained.family}, {registered.trained.rows:,} leads")
        replayed = _replay(world, options.limit, console)
        with _phase(console, "Judge") as say:
            judged = _judge(world)
            say(f"{judged.actual.n:,} outcomes matured")
    summary = summarise(world, registered, replayed, judged)
    summary["seconds"] = round(time.monotonic() - started, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1))
    (options.out / "report.html").write_text(report.render(summary, judged, replayed.latency_ms))
    return summary


def make_world(options: Options) -> World:
    if options.data is None:
        return make_market_world(options.world, options.contract, options.seed, options.leads)
    return make_file_world(options.world, options.contract, options.data, options.until)


def summarise(world: World, registered: Registered, replayed: Replay, judged: Judged) -> dict[str, object]:
    """Plain numbers by stable names; every metric with its interval and n."""
    trained, latency = registered.trained, np.array(replayed.latency_ms or [np.nan])
    return {
        "contract": world.contract.name,
        "events_sent": replayed.sent,
        "scored": judged.scored,
        "synced": replayed.synced,
        "unchanged": replayed.unchanged,
        "skipped": replayed.skipped,
        "already_scored": replayed.already_scored,
        "dead_lettered": sum(replayed.dead_lettered.values()),
        "dead_letter_reasons": replayed.dead_lettered,
        "nightly": asdict(replayed.nightly),
        "latency_ms": {"p50": round(float(np.median(latency)), 1), "p95": round(float(np.quantile(latency, 0.95)), 1)},
        "model": {
            "version": trained.version,
            "family": trained.family,
            "rows": trained.rows,
            "positives": trained.positives,
            "trained_to": isoformat(world.known_by),
            "labels": dict(registered.dataset.statuses),
            "rolling": {name: asdict(trained.rolling[name]) for name in HEADLINE},
        },
        "audit": {
            "leaks": len(registered.audited.leaks),
            "suspects": [f"{f.feature}: {f.sentence}" for f in registered.audited.findings if f.severity == "suspect"],
        },
        "refused_features": world.contract.refused_of_selected,
        "removed_features": {each.feature: each.sentence for each in trained.removed},
        "metrics": {name: asdict(estimate) for name, estimate in judged.metrics.items()},
        "mean_predicted": judged.mean_predicted,
        "actual_rate": asdict(judged.actual),
        "calibration": calibration_words(judged.mean_predicted, judged.actual),
        "waiting": judged.waiting,
        "deciles": [asdict(decile) for decile in judged.deciles],
        "examples": [asdict(example) for example in judged.examples],
    }


def _replay(world: World, limit: int | None, console: Console) -> Replay:
    warehouse = world.warehouse()
    changes = events(world, warehouse)[:limit]
    warehouse.close()
    columns = (TextColumn("[bold]Replay [/] stage changes"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with running(world.path) as cloud, Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(changes))
        return replay(world, cloud, changes, lambda: bar.advance(task))


def _judge(world: World) -> Judged:
    with world.reading() as warehouse:
        return judge_replay(warehouse, world.contract, world.matured_by)


@contextmanager
def _phase(console: Console, name: str) -> Iterator[Say]:
    """One line a phase: what it is doing while it does it, and what came of it with the seconds it took."""
    started, said = time.monotonic(), [""]
    with console.status(name) as status:

        def say(text: str) -> None:
            said[0] = text
            status.update(f"{name}: {text}")

        yield say
    console.print(f"[bold]{name:<7}[/] {said[0]} [dim]({time.monotonic() - started:.1f} s)[/]")
