"""`make faults`: every fault, every step, and the table of what was lost and what was doubled."""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ops.training import promote, train_and_register
from sandbox.world import World, make_market_world
from shared.config import ROOT
from tests.faults import fuzz
from tests.faults.processes import ALL_STEPS, killed_at, many_at_once
from tests.faults.rig import rig
from tests.faults.scenarios import EVERYTHING, FLIPPING, QUIET, QUIET_NIGHT, SALESFORCE, STORES, Scenario
from tests.faults.verdict import Verdict, baseline, judge

FUZZED = 1000
_WIDTH = 150
IN_PROCESSES = (
    Scenario(f"SIGKILL at each of {len(ALL_STEPS)} steps", lambda made: killed_at(made, ALL_STEPS), told=False, idle_seconds=0),
    Scenario("8 instances at once, each message 1 to 5 times", lambda made: many_at_once(made, 8, 5), idle_seconds=0),
)


def main() -> int:
    """Exit status 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=40)
    leads = parser.parse_args().leads
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    with tempfile.TemporaryDirectory() as folder, _logs_to(Path(folder) / "log"), Progress(console=console) as progress:
        verdicts, accounts = _run(Path(folder), leads, progress)
    console.print(_table(verdicts))
    for name, account in accounts:
        said = ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in account.outcomes.most_common())
        console.print(f"{name}: {account.sent:,} sent; {said}; [bold]{account.missing}[/] not accounted for, 0 crashed, 0 answered 5xx")
    lost, doubled = (sum(len(getattr(v, what)) for v in verdicts) for what in ("lost", "doubled"))
    for verdict in verdicts:
        for each in (*verdict.lost[:3], *verdict.doubled[:3]):
            console.print(f"[red]{verdict.name}[/]: {each}", highlight=False)
    struck = sum(verdict.struck for verdict in verdicts)
    console.print(f"{struck:,} faults injected in {len(verdicts)} scenarios: [bold]{lost} lost, {doubled} doubled[/]")
    return int(lost + doubled + sum(account.missing for _, account in accounts) > 0)


def _run(folder: Path, leads: int, progress: Progress) -> tuple[list[Verdict], list[tuple[str, fuzz.Account]]]:
    scenarios = (*STORES, *SALESFORCE, EVERYTHING, FLIPPING, *IN_PROCESSES)
    task = progress.add_task("a world and its champion", total=len(scenarios) + 5)
    world = _world(folder / "trained")
    progress.update(task, advance=1, description="without faults")
    quiet = baseline(world, folder / "quiet", leads, QUIET)
    night = baseline(world, folder / "night", leads, QUIET_NIGHT)
    progress.advance(task, 2)
    verdicts = []
    for number, scenario in enumerate(scenarios):
        progress.update(task, description=scenario.name)
        verdicts.append(judge(world, folder / str(number), leads, scenario, night if scenario.by_night else quiet))
        progress.advance(task)
    accounts = []
    for name, feed in (("fuzzed envelopes", fuzz.envelopes), ("fuzzed SOAP bodies", fuzz.soap_bodies)):
        progress.update(task, description=name)
        with rig(world, folder / name, leads) as made:
            accounts.append((name, feed(made, FUZZED)))
        progress.advance(task)
    return verdicts, accounts


def _world(path: Path) -> World:
    world = make_market_world(path, ROOT / "contracts" / "advisor.yaml", seed=3, leads=8000)
    version = train_and_register(world, lambda _: None).trained.version
    promote(world.path, version, by="faults", reason="first")
    return world


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("fault", "injected", "leads", "survived", "lost", "doubled", "rewritten alike", "seconds")
    for v in verdicts:
        survived = "yes" if not v.lost and not v.doubled else "[red]no[/]"
        table.add_row(
            v.name, f"{v.struck:,}", str(v.sent), survived, str(len(v.lost)), str(len(v.doubled)), str(v.repeated), f"{v.seconds:.1f}"
        )
    return table


@contextlib.contextmanager
def _logs_to(path: Path) -> Iterator[None]:
    """The functions log thousands of deferrals to standard error; here they go to a file."""
    sys.stderr.flush()
    before = os.dup(2)
    with path.open("w") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)


if __name__ == "__main__":
    sys.exit(main())
