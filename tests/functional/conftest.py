"""The use cases on a real warehouse and registry, with fakes for what is far away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from functions.catch_up import CatchingUp
from functions.score_lead import Scoring
from functions.sync_scores import Syncing
from sandbox.world import World, events
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.batches import Batches
from shared.clock import SteppedClock
from shared.config import ROOT
from shared.lead import StageChange
from shared.ledger import Ledger
from shared.model.artifact import pack
from shared.model.registry import ChampionCache, Registry
from shared.ports import CrmLead
from shared.score import LedgerRow
from tests.conftest import Trained
from tests.fakes import FakeCrm, FakeTopic


@dataclass
class House:
    """Everything a use case needs, and the stage changes of the world after its cutoff."""

    world: World
    warehouse: DuckDBWarehouse
    clock: SteppedClock
    topic: FakeTopic
    crm: FakeCrm
    scoring: Scoring
    syncing: Syncing
    changes: list[StageChange]

    def known(self) -> list[StageChange]:
        """Changes of leads whose advisor the vendor knows."""
        return [change for change in self.changes if change.crd is not None and change.crd < 9_000_000]

    def unknown(self) -> StageChange:
        return next(change for change in self.changes if change.crd is not None and change.crd >= 9_000_000)

    def catching_up(self) -> CatchingUp:
        objects, policy = DirectoryObjects(self.world.objects), self.syncing.policy.catch_up
        return CatchingUp(self.clock, self.crm, self.syncing.ledger, objects, self.topic, policy, "Contacted", 90)

    def rows(self, table: str) -> list[tuple[object, ...]]:
        return self.warehouse._connection.execute(f"SELECT * FROM {table}").fetchall()


def challenger(house: House, **changes: object) -> str:
    """The champion's trees under another manifest, pointed at as the challenger."""
    registry = Registry(DirectoryObjects(house.world.objects))
    model = house.scoring.champions.get()
    manifest = model.manifest.model_copy(update={"code_version": "challenger", **changes})
    version = registry.save(pack(manifest, model.contract, model.predictor, {}))
    registry.point("challenger", version, by="tests", reason="on trial", at=house.clock.now())
    return version


@pytest.fixture
def house(trained: Trained, tmp_path: Path) -> Iterator[House]:
    world = trained.copy(tmp_path / "world")
    warehouse = world.warehouse()
    changes = events(world, warehouse)
    clock, topic = SteppedClock(world.matured_by), FakeTopic()
    scoring_policy, salesforce_policy = policies.scoring(ROOT / "policies"), policies.salesforce(ROOT / "policies")
    records = {change.lead_id: CrmLead(change.lead_id, change.crd, is_converted=False) for change in changes}
    crm = FakeCrm(records, dict.fromkeys(salesforce_policy.fields.model_dump().values(), 255))
    ledger = Ledger(warehouse)
    champions = ChampionCache(Registry(DirectoryObjects(world.objects)), clock, timedelta(seconds=30))
    scoring = Scoring(clock, warehouse, ledger, champions, topic, lambda: crm, scoring_policy, Batches(warehouse))
    yield House(world, warehouse, clock, topic, crm, scoring, Syncing(clock, ledger, crm, topic, salesforce_policy), changes)
    warehouse.close()


def rescore(house: House, lead: str, *, days: int = 1, band: str | None = None, probability: float = 0) -> None:
    """The lead's latest score once more, as of another day; `probability` is added."""
    rows = [LedgerRow(*row) for row in house.rows("scores.ledger") if row[0] == lead]  # type: ignore[arg-type]
    row = max(rows, key=lambda each: each.as_of)
    shift = timedelta(days=days)
    entered = row.stage_entered_at + min(shift, timedelta(0))
    house.clock.step(timedelta(hours=1))
    again = replace(row, stage_entered_at=entered, as_of=row.as_of + shift, scored_at=house.clock.now(), band=band or row.band)
    Ledger(house.warehouse).record([replace(again, probability=row.probability + probability)], [])
