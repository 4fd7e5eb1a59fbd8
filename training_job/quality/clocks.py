"""Do the clocks agree? Rows told before they happened, and hours of contact that jump as only a time zone can."""

import itertools
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from shared.asof.cardinality import duplicates
from shared.asof.compile import used_sources
from shared.asof.contract import Contract
from shared.asof.visible import instant, known_instant, table_name
from shared.metrics.intervals import Estimate, wilson
from shared.ports import BulkWarehouse, Query
from training_job.dataset import Dataset

MIN_CONTACTS = 100
"""Contacts a month must have before its hours say anything."""
MIN_CONCENTRATION = 0.2
"""Below this mean resultant length the hours are all around the clock and have no mean (Mardia and Jupp 2000)."""
_DAY_SECONDS = 86_400
_CLOCKS = {"known_by": "TIMESTAMP"}


def repeated_keys(warehouse: BulkWarehouse, contract: Contract) -> Iterator[tuple[int, str]]:
    """Per source, how many keys stand there more than once under the same clocks."""
    for name, source in used_sources(contract, contract.computed).items():
        if source.kind != "history" or source.grain:
            rows = list(warehouse.query(duplicates(contract, source)))
            yield (int(str(rows[0]["keys_"])) if rows else 0), f"source {name}"


def told_ahead(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Estimate | None:
    """The share of extract rows with a contact or an outcome after the extract was taken; None without extracts."""
    lead = contract.lead
    if lead.known_at is None:
        return None
    events = [column for column in (lead.contacted_at, lead.outcome.event_at) if column]
    ahead = " OR ".join(f"{instant(f's.`{column}`')} > {instant(f's.`{lead.known_at}`')}" for column in events)
    known = f"s.`{lead.contacted_at}` IS NOT NULL AND {instant(f's.`{lead.known_at}`')} <= @known_by"
    return _share(warehouse, contract, f"{table_name(lead.table)} AS s\nWHERE {known}", ahead, known_by)


def known_before_event(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Iterator[tuple[Estimate, str]]:
    """Per source with two clocks, the share of rows known more than a day before they happened."""
    for name, source in used_sources(contract, contract.computed).items():
        if source.event_time and source.known_at:
            known = known_instant(source)
            among = f"{table_name(source.table or contract.lead.table)} AS s\nWHERE {known} <= @known_by"
            early = f"{instant(f's.`{source.event_time}`')} > TIMESTAMP_ADD({known}, INTERVAL 1 DAY)"
            yield _share(warehouse, contract, among, early, known_by), name


def _share(warehouse: BulkWarehouse, contract: Contract, among: str, condition: str, known_by: datetime) -> Estimate:
    text = f"SELECT\n  COUNT(*) AS n,\n  COUNTIF({condition}) AS bad\nFROM {among}\n"
    ((rows, bad),) = warehouse.query(Query(f"quality_clocks_{contract.name}", text, _CLOCKS), known_by=known_by).values
    return wilson(int(str(bad)), int(str(rows)))


def hour_jump(dataset: Dataset) -> tuple[float | None, str]:
    """The largest change of the mean hour of contact from one month to the next, in hours, and when.

    Summer time moves it by one. The mean is circular; months with few contacts, or without a usual hour, say nothing.
    """
    seconds = (dataset.contacted_at - dataset.contacted_at.astype("datetime64[D]")) / np.timedelta64(1, "s")
    if not seconds.any():
        return None, "contacts are dates without an hour"
    months = dataset.contacted_at.astype("datetime64[M]")
    means = [(str(month), _mean_hour(seconds[months == month])) for month in np.unique(months)]
    known = [(month, hour) for month, hour in means if hour is not None]
    jumps = [(abs((b - a + 12) % 24 - 12), later) for (_, a), (later, b) in itertools.pairwise(known)]
    if not jumps:
        return None, f"no two months with {MIN_CONTACTS} contacts and a usual hour"
    jump, month = max(jumps)
    return jump, f"hour of contact, {month} against the month before"


def _mean_hour(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float | None:
    turned = np.exp(2j * np.pi * seconds / _DAY_SECONDS)
    if len(turned) < MIN_CONTACTS or abs(turned.mean()) < MIN_CONCENTRATION:
        return None
    return float(np.angle(turned.mean()) / (2 * np.pi) * 24 % 24)
