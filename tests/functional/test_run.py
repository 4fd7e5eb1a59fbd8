"""A whole run on plain data: train, read what it wrote, score by it."""

import csv
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ops.predict import COLUMNS, load_model, predict
from ops.run import Options, run
from shared.errors import ConfigError, ContractError, CorruptArtifact, DataError, LeakFound
from tests.brief import brief_policies
from training_job.folds import Period

CONTRACT = """name: calls
lead: {table: calls, key: id, contacted_at: day, outcome: {column: y, positive: "1"}}
sources:
  calls: {kind: event, known_at: day}
features:
  - {name: signal, source: calls, column: signal, dtype: float, group: good, sentence: "signal {value:.1f}"}
  - {name: noise, source: calls, column: noise, dtype: float, group: good}
  - {name: kind, source: calls, column: kind, dtype: category, levels: [a, b], group: other}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 calls over 600 days, one in ten a success, driven by `signal`."""
    folder = tmp_path_factory.mktemp("calls")
    random = np.random.default_rng(0)
    signal, noise = random.normal(size=(2, 6000))
    won = random.uniform(size=6000) < 1 / (1 + np.exp(2.4 - signal))
    days = np.datetime64("2023-01-01") + np.arange(6000) // 10
    with (folder / "calls.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "day", "signal", "noise", "kind", "answer", "y"])
        for i in range(6000):
            answer = f"{3 * won[i] + random.normal():.3f}"
            writer.writerow([i, days[i], f"{signal[i]:.4f}", f"{noise[i]:.4f}", "ab"[i % 2], answer, int(won[i])])
    (folder / "calls.yaml").write_text(CONTRACT)
    return folder


def options(data: Path, out: Path, **changed: object) -> Options:
    said = {"data": data / "calls.csv", "contract": data / "calls.yaml", "out": out, "sealed": None, "groups": ()}
    return Options(**{**said, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    run(options(data, out), lambda _: None)
    return out


def test_a_run_holds_every_figure_with_its_interval(done: Path) -> None:
    said = json.loads((done / "run.json").read_text())
    for part in ("sealed", "rolling"):
        for name in ("auc_roc", "auc_pr", "lift_at_10", "precision_at_10", "brier", "brier_skill", "ece"):
            figure = said[part][name]
            assert figure["low"] <= figure["value"] <= figure["high"], (part, name)
            assert figure["n"] > figure["positives"] > 0
    assert said["sealed"]["auc_roc"]["low"] > 0.65
    asked = {each["consequence"] for each in said["gate"]["checks"]}
    assert said["verdict"] == ("hold" if "hold" in asked else "ship")
    assert "reject" not in asked
    assert {family["name"] for family in said["families"]} >= {"base_rate", "logistic", "xgboost", "xgboost + smote"}
    assert said["importance"][0]["feature"] == "signal"


def test_folds_never_train_within_a_window_of_what_they_judge(done: Path) -> None:
    for fold in json.loads((done / "cv_folds.json").read_text()):
        assert max(fold["train"]) < min(fold["judge"])


def test_people_can_read_it_without_the_network(done: Path) -> None:
    page = (done / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    verdict = json.loads((done / "run.json").read_text())["verdict"]
    assert f"**Verdict: {verdict}.**" in (done / "model_card.md").read_text()


def test_a_file_is_scored_by_the_run_and_needs_no_outcome(done: Path, data: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader((data / "calls.csv").read_text().splitlines()))[:300]
    with (tmp_path / "new.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "y"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert predict(done, tmp_path / "new.csv", tmp_path / "scores.csv", lambda *_: None) == (300, 0)
    scored = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert tuple(scored[0]) == COLUMNS
    assert {row["id"] for row in scored} == {row["id"] for row in rows}
    by_signal = sorted(rows, key=lambda row: float(row["signal"]))
    probability = {row["id"]: float(row["probability"]) for row in scored}
    assert probability[by_signal[-1]["id"]] > 3 * probability[by_signal[0]["id"]]


def test_the_same_run_again_is_the_same_look_and_another_widens_the_interval(data: Path, tmp_path: Path) -> None:
    policies = brief_policies(tmp_path / "policies", "logistic")
    first, again, other = (run(options(data, tmp_path / name, policies=policies), lambda _: None) for name in ("one", "one", "two"))
    assert first["sealed"] == again["sealed"]
    assert (first["sealed_openings"], other["sealed_openings"]) == (1, 2)
    narrow, wide = first["sealed"]["auc_roc"], other["sealed"]["auc_roc"]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_a_leak_stops_it_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    leaky = tmp_path / "leaky.yaml"
    leaky.write_text(CONTRACT + "  - {name: answer, source: calls, column: answer, dtype: float}\n")
    with pytest.raises(LeakFound, match=r"answer \(strength\)"):
        run(options(data, tmp_path / "run", contract=leaky), lambda _: None)
    assert not (tmp_path / "run").exists()


def test_feature_groups_are_chosen_and_an_unknown_one_is_named(data: Path, tmp_path: Path) -> None:
    policies = brief_policies(tmp_path / "policies", "logistic")
    said = run(options(data, tmp_path / "run", groups=("good",), policies=policies), lambda _: None)
    assert {each["feature"] for each in said["importance"]} == {"signal", "noise"}
    with pytest.raises(ContractError, match="no feature group"):
        run(options(data, tmp_path / "run", groups=("typo",)), lambda _: None)


def test_a_sealed_period_the_data_do_not_cover_is_named(data: Path, tmp_path: Path) -> None:
    period = Period(date(2030, 1, 1), date(2030, 2, 1))
    with pytest.raises(ConfigError, match="contacted from 2030-01-01 to 2030-02-01"):
        run(options(data, tmp_path / "run", sealed=period), lambda _: None)


def test_too_few_rows_before_the_sealed_period_are_said_with_the_minimum(data: Path, tmp_path: Path) -> None:
    period = Period(date(2023, 3, 1), date(2024, 8, 1))
    with pytest.raises(DataError, match="1,000 leads and 120 positives"):
        run(options(data, tmp_path / "run", sealed=period), lambda _: None)


def test_a_changed_model_file_is_refused(done: Path, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    shutil.copytree(done, tmp_path / "run")
    manifest = tmp_path / "run" / "model" / "artifact.json"
    array = next((tmp_path / "run" / "model").glob("*.npz"))
    array.write_bytes(array.read_bytes()[:-7])
    with pytest.raises(CorruptArtifact):
        load_model(tmp_path / "run")
    manifest.unlink()
    with pytest.raises(CorruptArtifact, match="holds no model"):
        load_model(tmp_path / "run")
