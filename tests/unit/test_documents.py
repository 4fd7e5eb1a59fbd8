from pathlib import Path

import pytest

from shared import policies
from shared.config import ROOT
from shared.documents import parse
from shared.errors import Refused


def test_on_and_no_mean_themselves() -> None:
    assert parse("on: crd\nlevels: [no, yes]\nrequired: true\n") == {"on": "crd", "levels": ["no", "yes"], "required": True}


def test_the_policies_that_ship_are_valid() -> None:
    folder = ROOT / "policies"
    assert policies.bands(folder).bands[-1].top == 1
    assert policies.salesforce(folder).collection_size == 200
    assert policies.scoring(folder).stage == "Contacted"


def test_an_error_points_at_the_line_and_the_key(tmp_path: Path) -> None:
    (tmp_path / "scoring.yaml").write_text(
        "stage: Contacted\nopen_days: 90\nstale_after_days: often\npage_size: 500\nfuture_tolerance_minutes: 5\n"
    )
    with pytest.raises(Refused, match=r"scoring\.yaml:3: stale_after_days: .*integer"):
        policies.scoring(tmp_path)


def test_a_key_nobody_reads_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "scoring.yaml").read_text() + "open_day: 3\n"
    (tmp_path / "scoring.yaml").write_text(text)
    with pytest.raises(Refused, match="open_day"):
        policies.scoring(tmp_path)


@pytest.mark.parametrize("tops", [(0.1, 0.05, 1.0), (0.1, 0.5), (0.1, 0.1, 1.0)])
def test_bands_that_could_not_all_be_reached_are_refused(tmp_path: Path, tops: tuple[float, ...]) -> None:
    lines = [f"  - {{name: B{i}, top: {top}, action: Call}}" for i, top in enumerate(tops)]
    (tmp_path / "bands.yaml").write_text("bands:\n" + "\n".join(lines))
    with pytest.raises(Refused, match="rises from band to band"):
        policies.bands(tmp_path)


def test_a_file_that_is_absent_or_no_yaml_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no file"):
        policies.bands(tmp_path)
    (tmp_path / "bands.yaml").write_text("bands: [")
    with pytest.raises(Refused, match="not YAML"):
        policies.bands(tmp_path)
