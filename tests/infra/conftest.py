"""Plans and the answers to every breakage, made once and several at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.infra import workshop
from tests.infra.plan import Plan
from tests.infra.workshop import ENVIRONMENTS, Workshop

WORKERS = 4


@pytest.fixture(scope="session")
def terraform() -> Iterator[Workshop]:
    if workshop.missing():
        pytest.skip(workshop.missing())
    with workshop.workshop() as made:
        yield made


@pytest.fixture(scope="session")
def plans(terraform: Workshop) -> dict[str, Plan]:
    """One per environment, each from its own tfvars."""

    def make(environment: str) -> Plan:
        terraform.plan(environment, "-lock=false").require()
        return Plan(terraform.shown(environment))

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(ENVIRONMENTS, pool.map(make, ENVIRONMENTS), strict=True))
