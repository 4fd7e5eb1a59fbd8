"""Real leads, as they are: what an honest judgement comes to. Skipped, saying so, where the data are absent."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml

from ops.predict import load_model, predict
from ops.run import Options, run
from shared.config import ROOT
from shared.metrics.ranking import Ranked, auc_roc
from tests.conftest import BANK_CALLS, CONTRACTS, SHARED_DATA, needs_bank_calls
from training_job.folds import Period

OLIST = SHARED_DATA / "olist_funnel"
FEW = 25


def brief(tmp_path: Path) -> Path:
    """The shipped policies without search, learning curve and replay, which are tested elsewhere."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for file in (ROOT / "policies").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    said = yaml.safe_load((folder / "training.yaml").read_text())
    said |= {"learning_curve": [], "backtest_months": 0, "search": {"candidates": 0}}
    (folder / "training.yaml").write_text(yaml.safe_dump(said))
    return folder


@needs_bank_calls
def test_real_calls_are_judged_in_time_order_and_under_prediction_is_said(tmp_path: Path) -> None:
    sealed = Period(date(2009, 4, 1), date(2009, 12, 31))
    contract = CONTRACTS / "bank_marketing.yaml"
    said = run(Options(BANK_CALLS, contract, tmp_path / "run", sealed, (), policies=brief(tmp_path)), lambda _: None)
    assert said["sealed"]["auc_roc"]["n"] == 11_158
    assert said["sealed"]["auc_roc"]["positives"] == 2_102
    assert 0.54 < said["sealed"]["auc_roc"]["value"] < 0.70
    assert said["sealed"]["mean_predicted"] < said["sealed"]["actual_rate"]["low"]
    assert any("under-predicts" in reason for reason in said["reasons"])
    assert said["verdict"] != "ship"
    others = said["random_split"]
    assert others["random"]["auc_roc"]["value"] == pytest.approx(0.754, abs=0.02)
    assert others["random"]["lift_at_10"]["value"] == pytest.approx(4.4, abs=0.5)
    assert others["later"]["auc_roc"]["high"] < others["random"]["auc_roc"]["low"]
    assert "duration" in said["refused_features"]
    clocks = {each["feature"] for each in said["removed_features"] if each["rule"] == "clock" and each["where"] == "model"}
    assert {"euribor3m", "emp_var_rate", "nr_employed"} <= clocks
    assert predict(tmp_path / "run", BANK_CALLS, tmp_path / "scores.csv", lambda *_: None) == (39_130, 0)
    with BANK_CALLS.open(newline="") as file:
        later = {row["row"]: float(row["y"] == "yes") for row in csv.DictReader(file, delimiter=";") if row["contact_date"] >= "2009-04-01"}
    with (tmp_path / "scores.csv").open(newline="") as file:
        margins = {row["id"]: float(row["margin"]) for row in csv.DictReader(file)}
    again = auc_roc(Ranked.of(np.array([margins[row] for row in later]), np.array(list(later.values()))))
    assert again == pytest.approx(said["sealed"]["auc_roc"]["value"], abs=1e-3)


def _joined(target: Path) -> dict[str, list[str]]:
    """Leads with the day they were won, and the levels of each category; a rare landing page is `other`."""
    with (OLIST / "olist_closed_deals_dataset.csv").open(newline="") as file:
        won = {row["mql_id"]: row["won_date"] for row in csv.DictReader(file)}
    with (OLIST / "olist_marketing_qualified_leads_dataset.csv").open(newline="") as file:
        leads = list(csv.DictReader(file))
    often = {page for page, count in Counter(lead["landing_page_id"] for lead in leads).most_common(FEW)}
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["mql_id", "contacted", "won", "origin", "page"])
        for lead in leads:
            page = lead["landing_page_id"] if lead["landing_page_id"] in often else "other"
            writer.writerow([lead["mql_id"], lead["first_contact_date"], won.get(lead["mql_id"], ""), lead["origin"] or "unknown", page])
    return {"origin": sorted({lead["origin"] or "unknown" for lead in leads} - {"unknown"}), "page": sorted(often | {"other"})}


@pytest.mark.skipif(not OLIST.exists(), reason=f"the Olist funnel is not at {OLIST}")
def test_the_olist_funnel_is_ranked_about_as_well_as_it_can_be(tmp_path: Path) -> None:
    levels = _joined(tmp_path / "leads.csv")
    contract = {
        "name": "olist",
        "lead": {"table": "leads", "key": "mql_id", "contacted_at": "contacted", "outcome": {"event_at": "won", "window_days": 90}},
        "missing": ["unknown"],
        "sources": {"leads": {"kind": "event", "known_at": "contacted", "required": True}},
        "features": [
            {"name": name, "source": "leads", "column": name, "dtype": "category", "levels": values} for name, values in levels.items()
        ],
    }
    (tmp_path / "olist.yaml").write_text(yaml.safe_dump(contract))
    said = run(
        Options(tmp_path / "leads.csv", tmp_path / "olist.yaml", tmp_path / "run", None, (), policies=brief(tmp_path)), lambda _: None
    )
    assert said["labels"]["left_truncated"] > 1_000
    assert said["sealed"]["auc_roc"]["value"] == pytest.approx(0.67, abs=0.07)
    assert load_model(tmp_path / "run").version == said["version"]
