"""./leadscore ingest: files into tables, with what does not fit put aside and counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.contracts.health import gaps
from ops.system import in_cloud
from shared import config
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.visible import instant
from shared.clock import SystemClock, parse_instant
from shared.errors import ConfigError, InvalidMessage
from shared.ingest.declared import intake
from shared.ingest.load import Report, load_file
from shared.ingest.typed import Delivery
from shared.ports import BulkWarehouse, Query
from training_job.wiring import adapters

console = Console(soft_wrap=True)
DEFAULT_WORLD = Path("build/world")
REASONS_SHOWN = 12


def ingest(
    table: Annotated[str, typer.Argument(help="A table of infra/tables, such as vendor.rep_snapshots.")],
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet or newline-JSON extracts.")],
    known_at: Annotated[str | None, typer.Option(help="When the files were delivered, where they do not say: ISO 8601.")] = None,
    vintage: Annotated[str | None, typer.Option(help="The day a snapshot describes, where it does not say: YYYY-MM-DD.")] = None,
    world: Annotated[Path, typer.Option(help="The world that is loaded into; LEADSCORE_BACKEND=gcp means the project's.")] = DEFAULT_WORLD,
) -> None:
    """Load extracts into a table, each once: read = loaded + quarantined + already there."""
    intake(table)
    delivery = Delivery(_instant(known_at), _day(vintage), SystemClock().now())
    with _opened(world.resolve()) as warehouse:
        for file in files:
            with console.status(file.name) as status:
                report = load_file(warehouse, table, file, delivery, status.update)
            _tell(report)
        _tell_gaps(warehouse, table)


@contextmanager
def _opened(world: Path) -> Iterator[BulkWarehouse]:
    if in_cloud():
        yield adapters(config.load())[0]
        return
    warehouse = DuckDBWarehouse(world / "warehouse.duckdb", threads=2)
    try:
        yield warehouse
    finally:
        warehouse.close()


def _tell(report: Report) -> None:
    if report.before:
        console.print(f"{report.file}: the same bytes were loaded into {report.table} on {report.before:%Y-%m-%d %H:%M}Z; nothing to do.")
        return
    console.print(
        f"{report.file}: {report.read:,} rows read = {report.loaded:,} loaded + {report.quarantined:,} quarantined"
        f" + {report.already_there:,} already there; {report.cells:,} values of loaded rows quarantined"
    )
    if report.reasons:
        table = Table("column", "reason", "count", title=f"{report.table}_quarantine")
        for (column, reason), count in sorted(report.reasons.items(), key=lambda item: -item[1])[:REASONS_SHOWN]:
            table.add_row(column or "(row)", escape(reason), f"{count:,}")
        console.print(table)


def _tell_gaps(warehouse: BulkWarehouse, table: str) -> None:
    dated = intake(table).rules.dated
    if dated:
        text = f"SELECT DISTINCT {instant(f's.`{dated}`')} AS at FROM `{table}` AS s ORDER BY 1"
        dates = [row["at"] for row in warehouse.query(Query("vintages", text))]
        console.print(f"{table} now holds {len(dates)} files.")
        for said in gaps(dates):  # type: ignore[arg-type]
            console.print(f"[yellow]note[/] {said}")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text) if len(text) > len("YYYY-MM-DD") else datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (ValueError, InvalidMessage):
        raise ConfigError(
            f"--known-at is {text!r}.", fix="Write an instant with its zone, such as 2025-10-17T06:00:00Z, or a day."
        ) from None


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--vintage is {text!r}.", fix="Write a day as YYYY-MM-DD.") from None
