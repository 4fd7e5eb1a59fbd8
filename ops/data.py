"""What a command is pointed at: a world directory, or a plain file of leads, or a directory of one file per table, with a contract."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox.extract import load_files
from sandbox.world import World, contacts, make_file_world, open_world
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract, Outcome, load_contract, refuse_expired
from shared.errors import ConfigError
from shared.lead import Ask


@contextmanager
def opened(data: Path, contract: Path | None) -> Iterator[tuple[World, datetime]]:
    """The world, and the instant up to which its data may be read: its cutoff, or for a file, when all of it has matured.

    Raises ContractError also for a waiver that has run out.
    """
    declared = load_contract(contract) if contract else None
    if (data / "world.json").is_file():
        world = open_world(data.resolve())
        world = replace(world, contract=declared) if declared else world
        refuse_expired(world.contract, datetime.now(UTC).date())
        yield world, world.known_by
        return
    if contract is None:
        raise ConfigError(f"{data} is no world, and no contract says what its columns mean.", fix="Give --contract FILE.")
    with tempfile.TemporaryDirectory() as folder:
        world = make_file_world(Path(folder), contract, data, None)
        yield world, world.matured_by


@contextmanager
def opened_for_scoring(data: Path, contract: Contract) -> Iterator[tuple[DuckDBWarehouse, list[tuple[str, Ask]]]]:
    """The warehouse, and what to ask of each contacted lead, under its key in the file or its id in the world.

    A file needs no outcome column: nothing of the outcome is read.
    """
    blind = contract.model_copy(update={"lead": contract.lead.model_copy(update={"outcome": Outcome(event_at=contract.lead.contacted_at)})})
    if (data / "world.json").is_file():
        world = open_world(data.resolve())
        with world.reading() as warehouse:
            asks = contacts(warehouse, contract, world.matured_by)
            yield warehouse, [(ask.lead_id, ask) for ask in asks]
        return
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=4)
        keys = dict(load_files(warehouse, blind, data))
        asks = contacts(warehouse, blind, datetime.max.replace(tzinfo=UTC))
        yield warehouse, [(keys.get(ask.lead_id, ask.lead_id), ask) for ask in asks]
        warehouse.close()
