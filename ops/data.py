"""What a command is pointed at: a world directory, or a plain file of leads, or a directory of one file per table, with a contract."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox.world import World, make_file_world, open_world
from shared.asof.contract import load_contract, refuse_expired
from shared.errors import ConfigError


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
