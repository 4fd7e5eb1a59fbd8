"""What the measuring commands send, caught on its way and analysed as GoogleSQL over the declared tables."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from zetasql.api import Analyzer

from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.asof.label_report import label_report
from shared.config import ROOT
from shared.model.registry import Registry
from shared.ports import Query, Rows
from tests.conftest import Trained
from tests.sql.test_googlesql import _catalog, _options
from training_job.audit.findings import Report
from training_job.dataset import load_dataset
from training_job.dataset_policies import compare_policies
from training_job.parity import parity
from training_job.policy import training
from training_job.quality.gates import evaluate, quality

START = datetime(2024, 1, 1, tzinfo=UTC)
TODAY = date(2026, 1, 1)


class Listening(DuckDBWarehouse):
    """A warehouse that remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, threads=2)
        self.heard: dict[str, Query] = {}

    def query(self, query: Query, **params: object) -> Rows:
        self.heard[query.sql] = query
        return super().query(query, **params)

    def arrow(self, query: Query, **params: object) -> Any:
        self.heard[query.sql] = query
        return super().arrow(query, **params)


Measured = Callable[[Listening, Contract, Trained], object]


def _labels(warehouse: Listening, contract: Contract, trained: Trained) -> object:
    return label_report(warehouse, contract, trained.world.known_by)


def _policies(warehouse: Listening, contract: Contract, trained: Trained) -> object:
    return compare_policies(warehouse, contract, trained.world.known_by, training(ROOT / "policies"), lambda _: None)


def _parity(warehouse: Listening, contract: Contract, trained: Trained) -> object:
    version = Registry(DirectoryObjects(trained.world.objects))
    warehouse._connection.execute(
        "INSERT INTO scores.feature_log VALUES ('00Q', now(), ?, TIMESTAMPTZ '2025-01-01', '{}', 'h')", [trained.version]
    )
    return parity(warehouse, version.load, START, trained.world.matured_by)


def _quality(warehouse: Listening, contract: Contract, trained: Trained) -> object:
    known_by, nothing = trained.world.known_by, Report(contract.name, contract.hash, trained.world.known_by, 0, 0, 0, (), {})
    dataset = load_dataset(warehouse, contract, known_by)
    return evaluate(dataset, nothing, warehouse, contract, known_by, quality(ROOT / "policies"))


@pytest.mark.parametrize(("measure", "at_least"), [(_labels, 2), (_policies, 4), (_parity, 4), (_quality, 10)])
def test_every_query_it_sends_is_googlesql(trained: Trained, tmp_path: Path, measure: Measured, at_least: int) -> None:
    world = trained.copy(tmp_path / "world")
    listening = Listening(world.path / "warehouse.duckdb")
    measure(listening, world.contract, trained)
    listening.close()
    assert len(listening.heard) >= at_least
    for query in listening.heard.values():
        Analyzer(_options(query.params), _catalog()).analyze_statement(query.sql)
