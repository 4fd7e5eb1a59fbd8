"""Which rows an ask saw: per source how many, and between which clocks they lie."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.asof.compile import SERVED_ASKS, used_sources
from shared.asof.contract import Contract, Source
from shared.asof.visible import ASK, AT_THE_ASK, instant, key_of, select, source_ctes
from shared.ports import Query


@dataclass(frozen=True, slots=True)
class Seen:
    """The visible rows of one source. `known_to` never lies after the ask; the clocks are None where there is no row."""

    source: str
    rows: int
    event_from: datetime | None
    event_to: datetime | None
    known_from: datetime | None
    known_to: datetime | None


def seen(contract: Contract) -> Query:
    """Seen rows, one per source the contract's usable features read, for the ask given as the parameter `asks`."""
    used = used_sources(contract, contract.closure(contract.usable))
    ctes = [("asks", SERVED_ASKS)]
    for name, source in used.items():
        values = [f"s.`{column}` AS {name}__{column}" for column in _joined(used, name)] if source.kind == "history" else []
        ctes += source_ctes(contract, name, source, values, AT_THE_ASK)
    body = ",\n".join(f"{name} AS (\n{text}\n)" for name, text in ctes)
    parts = "\nUNION ALL\n".join(_one(contract, name, source) for name, source in used.items())
    return Query(f"seen_{contract.name}", f"WITH\n{body}\n{parts}\n", {"asks": ASK})


def _one(contract: Contract, name: str, source: Source) -> str:
    prefix, relation = ("s.", f"met_{name}") if source.kind == "history" else ("s.picked_", f"picked_{name}")
    event = _column(prefix, source.event_time or source.known_at)
    known = _column(prefix, source.known_at or source.event_time)
    if source.lag_days:
        known = f"TIMESTAMP_ADD({known}, INTERVAL {source.lag_days} DAY)"
    columns = [f"'{name}' AS source", f"COUNT({prefix}{key_of(contract, source)}) AS `rows`"]
    columns += [f"{take}({clock}) AS {label}" for take, clock, label in _bounds(event, known)]
    return select(columns, f"FROM {relation} AS s")


def _bounds(event: str, known: str) -> Iterator[tuple[str, str, str]]:
    for clock, label in ((event, "event"), (known, "known")):
        yield "MIN", clock, f"{label}_from"
        yield "MAX", clock, f"{label}_to"


def _column(prefix: str, column: str | None) -> str:
    return instant(f"{prefix}{column}")


def _joined(used: Mapping[str, Source], name: str) -> list[str]:
    return sorted({column for upstream, _, column in (source.on.partition(".") for source in used.values()) if upstream == name})
