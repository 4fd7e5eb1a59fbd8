"""`make bench`: each path beside the reference way, in one run, one thread. `python -m tests.bench one_lead nightly` runs a part."""

import os
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from tests.bench import loopback, many_leads, nightly, one_lead
from tests.bench.environment import Unavailable
from tests.bench.material import make
from tests.bench.timing import Line, Note

console = Console()


def one_lead_lines() -> Iterator[Line | Note]:
    material = make()
    yield from one_lead.warm(material)
    yield from one_lead.cold(material)


def loopback_lines() -> Iterator[Line | Note]:
    material = make()
    one_lead.pickle_reference(material.folder)
    yield from loopback.lines(material)


PARTS: dict[str, Callable[[], Iterator[Line | Note]]] = {
    "one_lead": one_lead_lines,
    "many_leads": many_leads.lines,
    "loopback": loopback_lines,
    "nightly": nightly.lines,
}


def main(wanted: list[str]) -> None:
    table = Table("path", "reference way", "reference", "ours", "times better", "asked")
    for name in wanted or PARTS:
        with console.status(f"bench: {name}"):
            for line in _lines(name):
                _add(table, line)
        console.print(f"[dim]measured: {name}[/]")
    console.print(table)
    console.print(f"load of this machine now: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _lines(name: str) -> Iterator[Line | Note]:
    try:
        yield from PARTS[name]()
    except Unavailable as reason:
        yield Note(name, f"skipped: {reason}")


def _add(table: Table, line: Line | Note) -> None:
    if isinstance(line, Note):
        table.add_row(line.path, line.text, "", "", "", {None: "", True: "met", False: "[bold red]missed[/]"}[line.ok])
        return
    met = "" if line.target is None else f"{line.target:g} {'met' if line.ratio >= line.target else '[bold red]missed[/]'}"
    figures = (f"{figure:,.2f} {line.unit}" for figure in (line.reference_ms, line.ours_ms))
    table.add_row(line.path, line.reference, *figures, f"{line.ratio:.1f}", met)


if __name__ == "__main__":
    main(sys.argv[1:])
