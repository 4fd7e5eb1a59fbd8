"""What a command is pointed at: a world directory, or a plain file of leads with a contract."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox.extract import read_csv
from sandbox.world import World, keys_of, make_file_world, open_world
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.compile import table_name
from shared.asof.contract import load_contract, refuse_expired
from shared.errors import ConfigError
from shared.model.artifact import Artifact
from training_job.predict import features_of


@contextmanager
def opened(data: Path, contract: Path | None) -> Iterator[tuple[World, datetime]]:
    """The world, and the instant up to which its data may be read: its cutoff, or for a file, when all of it has matured.

    Raises ContractError also for a waiver that has run out.
    """
    declared = load_contract(contract) if contract else None
    if data.is_dir():
        world = open_world(data.resolve())
        world = replace(world, contract=declared) if declared else world
        refuse_expired(world.contract, datetime.now(UTC).date())
        yield world, world.known_by
        return
    if contract is None:
        raise ConfigError(f"{data} is a file of leads, and no contract says what its columns mean.", fix="Give --contract FILE.")
    with tempfile.TemporaryDirectory() as folder:
        world = make_file_world(Path(folder), contract, data, None)
        yield world, world.matured_by


@contextmanager
def scoring(data: Path, artifact: Artifact) -> Iterator[tuple[DuckDBWarehouse, dict[str, str]]]:
    """A warehouse of the leads in `data`, whose outcomes need not be known, and each lead's own name by its id."""
    contract = artifact.contract
    if data.is_dir():
        world = open_world(data.resolve())
        with world.reading() as warehouse:
            yield warehouse, keys_of(world)
        return
    table, keys = read_csv(contract, data, features_of(artifact))
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=2)
        try:
            warehouse.load_arrow(table_name(contract.lead.table).strip("`"), table)
            yield warehouse, dict(keys)
        finally:
            warehouse.close()
