"""The whole sandbox as processes, on free ports, around a copy of the trained world."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from ops.replay import contact
from sandbox.cloud import Cloud, running, wait_until_idle
from sandbox.world import World, events
from shared.lead import StageChange
from tests.conftest import Trained


@dataclass
class Running:
    """A sandbox that is up, and stage changes nobody has sent yet."""

    world: World
    cloud: Cloud
    fresh: list[StageChange]

    def lead(self, lead_id: str) -> dict[str, object]:
        return self.cloud.get(f"{self.cloud.salesforce}/sandbox/leads/{lead_id}")

    def settle(self) -> None:
        """Wait until the bus has nothing left to deliver."""
        wait_until_idle(self.cloud)

    def contact(self, change: StageChange) -> dict[str, object]:
        answer = contact(self.cloud, change)
        self.settle()
        return answer

    def push(self, function: str, body: bytes, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.cloud.push_token}", "Content-Type": "application/json"}
        answer = requests.post(f"{self.cloud.functions}/{function}", data=body, headers=headers, timeout=60)
        wait_until_idle(self.cloud)
        return answer


@pytest.fixture(scope="module")
def up(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    world = trained.copy(tmp_path_factory.mktemp("e2e") / "world")
    warehouse = world.warehouse()
    changes = [change for change in events(world, warehouse) if change.crd is not None and change.crd < 9_000_000]
    warehouse.close()
    with running(world.path) as cloud:
        yield Running(world, cloud, changes)


def eventually(check: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
