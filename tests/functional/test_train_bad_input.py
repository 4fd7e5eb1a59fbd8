"""Wrong input to a training, and its answer: the input, the rule and the fix are named, and the champion stays."""

import csv
import errno
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from ops.data import opened
from ops.predict import predict
from ops.run import Options, run
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.errors import ContractError, DataError, LeadscoreError, ObjectsUnavailable, UnknownCategory
from shared.ports import Objects
from tests.fakes import FakeObjects
from training_job.folder import Folder
from training_job.folds import Period
from training_job.gate.policy import gates
from training_job.job import Order
from training_job.job import run as run_job
from training_job.policy import training

CONTRACT = """name: calls
lead: {table: calls, key: id, contacted_at: day, outcome: {column: y, positive: "1"}}
sources:
  calls: {kind: event, known_at: day}
features:
  - {name: signal, source: calls, column: signal, dtype: float}
  - {name: kind, source: calls, column: kind, dtype: category, levels: [a, b]}
"""
Row = dict[str, object]


def rows(n: int = 3000) -> list[Row]:
    random = np.random.default_rng(0)
    signal = random.normal(size=n)
    won = random.uniform(size=n) < 1 / (1 + np.exp(2 - signal))
    days = np.datetime64("2023-01-01") + np.arange(n) // 6
    return [{"id": i, "day": str(days[i]), "signal": f"{signal[i]:.4f}", "kind": "ab"[i % 2], "y": int(won[i])} for i in range(n)]


def write(folder: Path, said: list[Row], contract: str = CONTRACT) -> tuple[Path, Path]:
    with (folder / "calls.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, said[0].keys())
        writer.writeheader()
        writer.writerows(said)
    (folder / "calls.yaml").write_text(contract)
    return folder / "calls.csv", folder / "calls.yaml"


def changed(change: Callable[[int, Row], Row]) -> list[Row]:
    return [{**row, **change(index, row)} for index, row in enumerate(rows())]


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (rows(700), DataError, r"too few to train on.*1,000 leads and 120 positives"),
        (changed(lambda i, row: {"y": int(i % 50 == 0)}), DataError, r"\d+ positives are too few"),
        (changed(lambda i, row: {"y": 0}), DataError, "0 positives"),
        (changed(lambda i, row: {"y": 1}), DataError, r"3,000 positives|too few to audit"),
        (changed(lambda i, row: {"signal": "inf" if i == 5 else row["signal"]}), DataError, "signal: infinite in 1 training rows"),
        (changed(lambda i, row: {"kind": "c" if i == 5 else row["kind"]}), (UnknownCategory, DataError), "kind.*'c'"),
        (changed(lambda i, row: {"signal": "7", "kind": "a"}), DataError, r"signal is 7 in every row.*kind is"),
        (changed(lambda i, row: {"day": "" if i else "2023-01-01"}), LeadscoreError, "mature|month"),
    ],
    ids=["few-rows", "few-positives", "none", "all", "infinite", "unseen-level", "constant", "one-contact"],
)
def test_rows_that_cannot_be_learned_from_are_named(tmp_path: Path, said: list[Row], error: type[LeadscoreError], words: str) -> None:
    data, contract = write(tmp_path, said)
    with pytest.raises(error, match=rf"(?s){words}") as raised:
        run(Options(data, contract, tmp_path / "run", None, ()), lambda _: None)
    assert raised.value.fix
    assert not (tmp_path / "run" / "run.json").exists()


def test_when_every_feature_is_refused_the_contract_says_so(tmp_path: Path) -> None:
    late = CONTRACT.replace("dtype: float}", "dtype: float, known: after_contact}").replace("levels: [a, b]}", "levels: [a, b], pii: true}")
    data, contract = write(tmp_path, rows(), late)
    with pytest.raises(ContractError, match="Every feature of contract calls is refused"):
        run(Options(data, contract, tmp_path / "run", None, ()), lambda _: None)


def test_a_sealed_period_without_a_positive_or_too_early_is_named(tmp_path: Path) -> None:
    data, contract = write(tmp_path, changed(lambda i, row: {"y": row["y"] if i < 2400 else 0}))
    late = Period(date(2024, 3, 1), date(2024, 5, 1))
    with pytest.raises(DataError, match=r"sealed period 2024-03-01\.\.2024-05-01 has .* and 0 positives"):
        run(Options(data, contract, tmp_path / "run", late, ()), lambda _: None)
    early = Period(date(2023, 1, 2), date(2024, 5, 1))
    with pytest.raises(DataError, match="too few"):
        run(Options(data, contract, tmp_path / "run", early, ()), lambda _: None)


def test_a_level_the_model_never_met_is_named_when_scoring(tmp_path: Path) -> None:
    data, contract = write(tmp_path, rows())
    run(Options(data, contract, tmp_path / "run", None, ()), lambda _: None)
    (tmp_path / "new").mkdir()
    strange, _ = write(tmp_path / "new", changed(lambda i, row: {"kind": "z"})[:5])
    with pytest.raises(LeadscoreError, match="kind is 'z'; known levels: a, b"):
        predict(tmp_path / "run", strange, tmp_path / "scores.csv", lambda *_: None)


class FullObjects(FakeObjects):
    """A store that has no room for the `nth` object."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self.left = nth

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        self.left -= 1
        if self.left < 0:
            raise ObjectsUnavailable(f"{name}: no space left on device.", fix="Make room.")
        return super().write(name, data, if_generation=if_generation)


def _order(known_by: datetime) -> Callable[[object], Order]:
    folder = ROOT / "policies"

    def order(contract: object) -> Order:
        brief = training(folder).brief().model_copy(update={"learning_curve": (), "backtest_months": 0})
        made = Order(contract, known_by, brief, policies.bands(folder), gates(folder), date(2025, 1, 1))  # type: ignore[arg-type]
        return replace(made, sealed=Period(date(2024, 2, 1), date(2024, 5, 30)))

    return order


@pytest.mark.parametrize("room", [0, 3, 8, 11])
def test_a_store_that_is_full_or_gone_stops_the_run_and_leaves_the_champion(tmp_path: Path, room: int) -> None:
    data, contract = write(tmp_path, rows())
    objects = FullObjects(room + 1)
    pointer = {"version": "20200101-00000000", "moved_at": "2020-01-01T00:00:00Z", "moved_by": "tests", "reason": "first"}
    objects.write("registry/champion.json", json.dumps(pointer).encode())
    with opened(data, contract) as (world, known_by), world.reading() as warehouse:
        with pytest.raises(ObjectsUnavailable, match="no space left"):
            run_job(warehouse, objects, Folder(objects, "runs/a/"), _order(known_by)(world.contract), lambda _: None)
        assert not [name for name in objects.names("") if name.endswith("run.json")]
        objects.left = 10_000
        done = run_job(warehouse, objects, Folder(objects, "runs/a/"), _order(known_by)(world.contract), lambda _: None)
    assert done.said["version"]
    assert json.loads(objects.read("registry/champion.json").data) == pointer
    assert done.said["verdict"] != "ship"


def test_a_directory_that_cannot_be_written_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects: Objects = DirectoryObjects(tmp_path / "objects")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ObjectsUnavailable, match="No space left on device"):
        objects.write("models/a", b"x")
    monkeypatch.undo()
    assert objects.names("") == []
    assert not list((tmp_path / "objects").glob(".writing-*"))
