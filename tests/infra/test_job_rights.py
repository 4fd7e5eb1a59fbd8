"""The training job may do what it does, at the first attempt and at the second, and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import training_job.__main__
from sandbox.topology import topology
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.ports import Blob, Query
from tests.brief import brief_policies
from tests.conftest import CONTRACTS, Trained
from tests.infra.plan import Plan

BUCKET = "example-project-models"
DECLARED = topology().jobs["train"]
PLACE = re.escape(f'"projects/_/buckets/{BUCKET}/objects/')


class _Asked(DuckDBWarehouse):
    """Remembers which datasets it was asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.datasets: set[str] = set()

    def _translate(self, query: Query) -> str:
        self.datasets |= set(re.findall(r"`(\w+)\.\w+`", query.sql))
        return super()._translate(query)


@dataclass
class _Creator:
    """As Cloud Storage has it: a creator may add objects, and replace those only that a condition names."""

    inner: DirectoryObjects
    may_replace: Sequence[re.Pattern[str]]
    replaced: list[str] = field(default_factory=list)

    def read(self, name: str) -> Blob:
        return self.inner.read(name)

    def names(self, prefix: str) -> list[str]:
        return self.inner.names(prefix)

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        if if_generation != 0 and name in self.inner.names(name):
            assert any(pattern.fullmatch(name) for pattern in self.may_replace), f"the job may not replace {name}"
            self.replaced.append(name)
        return self.inner.write(name, data, if_generation=if_generation)


def _may_replace(plan: Plan) -> list[re.Pattern[str]]:
    """Names of objects, by the condition on the job's right to replace them."""
    right = plan.resources("google_storage_bucket_iam_member", "jobs_replace")["train"]
    said = right.block("condition")["expression"].split(" || ")
    exact = [re.escape(name) for one in said for name in re.findall(rf'^resource\.name == {PLACE}(.+)"$', one)]
    below = [f"{re.escape(name)}.+" for one in said for name in re.findall(rf'^resource\.name\.startsWith\({PLACE}(.+)"\)$', one)]
    assert len(exact) + len(below) == len(said) == 2
    return [re.compile(pattern) for pattern in (*exact, *below)]


def test_the_rights_planned_are_those_of_a_job_that_reads_and_stores(plans: dict[str, Plan]) -> None:
    stores = {(f"storage.{role}", BUCKET) for role in ("objectViewer", "objectCreator", "objectUser")}
    reads = {("bigquery.dataViewer", dataset) for dataset in DECLARED.reads}
    for plan in plans.values():
        assert {(role, on) for who, role, on in plan.rights() if who == "job-train"} == {("bigquery.jobUser", "project"), *reads, *stores}


def test_two_attempts_at_a_run_need_them_and_no_others(plans: dict[str, Plan], trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    policies = brief_policies(tmp_path / "policies", "logistic")
    order = training_job.__main__.JobConfig(contract=CONTRACTS / "advisor.yaml", known_by=world.known_by, policies=policies, run_id="r")
    objects = _Creator(DirectoryObjects(world.objects), _may_replace(plans["prod"]))
    warehouse = _Asked(world.path / "warehouse.duckdb")
    first = training_job.__main__.train(order, warehouse, objects)
    (world.objects / "runs" / "r" / "run.json").unlink()
    second = training_job.__main__.train(order, warehouse, objects)
    warehouse.close()
    assert first["version"] == second["version"]
    assert warehouse.datasets == set(DECLARED.reads)
    assert any(name.startswith("runs/r/") for name in objects.replaced)


def test_neither_a_model_nor_the_champion_may_be_replaced(plans: dict[str, Plan]) -> None:
    allowed = _may_replace(plans["prod"])
    for name in ("models/20250101-00000000/manifest.json", "registry/champion.json", "registry/sealed/a/b.json", "catch_up/watermark.json"):
        assert not any(pattern.fullmatch(name) for pattern in allowed)
    assert any(pattern.fullmatch("registry/challenger.json") for pattern in allowed)
