"""A contract against the data of a world: joins that multiply, files that overlap or are missing, sources gone stale."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from shared.asof.cardinality import assert_single
from shared.asof.compile import used_sources
from shared.asof.contract import Contract, Source
from shared.asof.visible import instant, table_name
from shared.ports import Query, Warehouse

LATE, EARLY = 1.5, 0.5


@dataclass(frozen=True, slots=True)
class Freshness:
    """A source's files: how many event dates it holds, the last one, and when that could first be known."""

    source: str
    files: int
    latest: datetime
    known_at: datetime
    max_age_days: int | None
    gaps: tuple[str, ...]

    def stale(self, as_of: datetime) -> bool:
        return self.max_age_days is not None and as_of - self.latest > timedelta(days=self.max_age_days)


def health(warehouse: Warehouse, contract: Contract) -> list[Freshness]:
    """The state of every vintage source the contract uses. FanOut when one holds the same row twice."""
    assert_single(warehouse, contract)
    used = used_sources(contract, contract.computed)
    found = ((name, source, _files(warehouse, source)) for name, source in used.items() if _by_file(source))
    return [_freshness(name, source, files) for name, source, files in found if files]


def _by_file(source: Source) -> bool:
    return source.kind == "vintage" and source.max_age_days is not None


def _files(warehouse: Warehouse, source: Source) -> list[tuple[datetime, datetime]]:
    event, known = (instant(f"s.`{clock}`") for clock in (source.event_time, source.known_at or source.event_time))
    text = (
        f"SELECT\n  {event} AS event_at,\n  MAX({known}) AS known_at\nFROM {table_name(source.table or '')} AS s\nGROUP BY 1\nORDER BY 1\n"
    )
    return [(row["event_at"], row["known_at"]) for row in warehouse.query(Query("files", text))]  # type: ignore[misc]


def _freshness(name: str, source: Source, files: list[tuple[datetime, datetime]]) -> Freshness:
    latest, known_at = files[-1]
    return Freshness(name, len(files), latest, known_at, source.max_age_days, tuple(gaps([event for event, _ in files])))


def gaps(dates: list[datetime]) -> Iterator[str]:
    """Where two files overlap or one is missing, against the usual time between them (the median)."""
    steps = sorted(later - earlier for earlier, later in pairwise(dates))
    if not steps:
        return
    usual = steps[len(steps) // 2]
    for earlier, later in pairwise(dates):
        step, between = later - earlier, f"{earlier:%Y-%m-%d} and {later:%Y-%m-%d}"
        if step > LATE * usual:
            yield f"no file between {between} ({step.days} days, usually {usual.days})"
        elif step < EARLY * usual:
            yield f"two files within one period: {between} ({step.days} days apart, usually {usual.days})"
