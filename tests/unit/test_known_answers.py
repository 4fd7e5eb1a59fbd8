"""Published and closed-form answers, read from the shared data; without it these tests skip."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.metrics import experiments
from shared.metrics.calibration import Bins, brier, ece
from shared.metrics.compare import benjamini_hochberg
from shared.metrics.drift import psi_of
from shared.metrics.ranking import Ranked, auc_pr, auc_roc
from shared.metrics.screening import vif, weight_of_evidence
from tests.conftest import SHARED_DATA

FOLDER = SHARED_DATA / "known_answers"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"the published answers are not at {FOLDER}")


@pytest.fixture(scope="module")
def known() -> Any:
    return json.loads((FOLDER / "known_answers.json").read_text())


def _columns(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_ranking_and_brier(known: Any) -> None:
    docs = known["sklearn_docs"]
    for name, figure in (("roc_auc", auc_roc), ("average_precision", auc_pr)):
        assert figure(Ranked.of(np.array(docs[name]["s"]), np.array(docs[name]["y"], float))) == pytest.approx(docs[name]["value"])
    assert brier(np.array(docs["brier"]["p"]), np.array(docs["brier"]["y"], float)) == pytest.approx(docs["brier"]["value"])


def test_calibration_curve(known: Any) -> None:
    answer = known["sklearn_docs"]["calibration_curve"]
    predicted, outcome = np.array(answer["p"]), np.array(answer["y"], float)
    bins = Bins.equal_width(predicted, answer["n_bins"])
    rows = np.bincount(bins.member, minlength=3)
    assert np.bincount(bins.member, outcome) / rows == pytest.approx(answer["prob_true"])
    assert np.bincount(bins.member, predicted) / rows == pytest.approx(answer["prob_pred"])


def test_expected_calibration_error(known: Any) -> None:
    answer = known["ece_torchmetrics"]
    predicted = np.array(answer["preds"])
    found = ece(predicted, np.array(answer["target"], float), Bins.equal_width(predicted, answer["n_bins"]))
    assert found == pytest.approx(answer["l1"])


def test_weight_of_evidence_and_information_value(known: Any) -> None:
    answer = known["iv_breast_cancer_mean_radius"]
    table = _columns(FOLDER / answer["file"])
    values, target = (np.array(column, float) for column in list(table.values())[:2])
    found = weight_of_evidence(np.searchsorted(answer["edges"], values, "right"), target)
    assert found.information_value == pytest.approx(answer["iv"])
    assert -found.woe == pytest.approx(answer["woe_ln_nonevent_over_event"])
    assert found.positives == pytest.approx(answer["counts_target1"])


def test_information_value_of_german_credit(known: Any) -> None:
    answer = known["iv_german_credit_raw_categories"]
    table = _columns(FOLDER / answer["file"])
    bad = np.array([value == "bad" for value in table["creditability"]], float)
    assert 0 < bad.mean() < 0.5
    for name, value in {**answer["values"], **answer["numeric_raw_levels"]}.items():
        levels = np.unique(table[name], return_inverse=True)[1]
        assert weight_of_evidence(levels, bad, empty_cell=0.99).information_value == pytest.approx(value, abs=6e-5), name


def test_population_stability(known: Any) -> None:
    answer = known["psi_analytic"]
    assert psi_of(np.array(answer["expected"]), np.array(answer["actual"])) == pytest.approx(answer["psi"])


def test_variance_inflation_of_longley(known: Any) -> None:
    answer = known["vif_longley"]
    table = _columns(FOLDER / answer["file"])
    matrix = np.array([table[name] for name in answer["vif"]], float).T
    assert vif(matrix) == pytest.approx(list(answer["vif"].values()), rel=1e-6)


def test_sample_sizes(known: Any) -> None:
    for row in known["power_two_proportions_arcsine"]:
        assert experiments.needed_per_arm(row["p1"], row["p2"], 0.8) == pytest.approx(row["n80"], abs=1e-3)
        assert experiments.needed_per_arm(row["p1"], row["p2"], 0.9) == pytest.approx(row["n90"], abs=1e-3)
    for effect, wanted in known["power_cohen"]["two_proportions_h"].items():
        assert experiments.needed_for(float(effect)) == pytest.approx(wanted, abs=1e-3)
    for effect, wanted in known["power_cohen"]["chi2_df1_w"].items():
        assert experiments.power_chi_square(float(effect), wanted, 1) == pytest.approx(0.8, abs=1e-5)


def test_power_of_chi_square_is_r_s(known: Any) -> None:
    for test, effect, n in (("w=.1 N=5", 0.1, 5), ("w=1 N=5", 1, 5), ("w=.1 N=100", 0.1, 100)):
        (answer,) = [row["power"] for row in known["pwr_R"] if test in row["test"]]
        assert experiments.power_chi_square(effect, n, 4) == pytest.approx(answer)


def test_false_discoveries(known: Any) -> None:
    answer = known["bh_1995"]
    assert (benjamini_hochberg(np.array(answer["p"])) <= answer["alpha"]).sum() == answer["reject"]["fdr_bh"]


def test_two_arms_of_a_mailing(known: Any) -> None:
    answer = known["hillstrom"]
    rows = [answer["n"][arm] for arm in ("Mens E-Mail", "No E-Mail", "Womens E-Mail")]
    visits, conversions = (list(zip(answer[what], rows, strict=True)) for what in ("visit", "conversion"))
    for found, said in (
        (experiments.compare_rates(visits[0], visits[1]), answer["mens_vs_none"]["visit"]),
        (experiments.compare_rates(conversions[0], conversions[1]), answer["mens_vs_none"]["conversion"]),
        (experiments.compare_rates(conversions[2], conversions[1]), answer["womens_vs_none"]["conversion"]),
    ):
        assert (found.difference.value, found.z) == pytest.approx((said["diff"], said["z_pooled"]))
        assert (found.difference.low, found.difference.high) == pytest.approx(said["newcombe95"], abs=1e-9)
        assert found.ratio == pytest.approx(said.get("rr", found.ratio))
        assert found.p_value == pytest.approx(said.get("p", found.p_value), rel=1e-4)
    split = experiments.sample_ratio(rows)
    assert (split.chi_square, split.p_value) == pytest.approx((answer["srm_chi2"], answer["srm_p"]), abs=1e-5)
