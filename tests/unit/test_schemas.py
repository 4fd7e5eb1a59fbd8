"""The schema that the topic enforces is the message the functions read and write."""

import json
from datetime import UTC, datetime

import pytest

from functions.messages import StageChangeMessage, read, write
from sandbox.schemas import misfit
from sandbox.topology import topology
from shared.config import ROOT
from shared.lead import StageChange

DECLARED = json.loads((ROOT / "infra" / "schemas" / "stage_change.avsc").read_text())
CHANGE = StageChange("00Q5e0000026979EAA", 1001, "Contacted", datetime(2025, 9, 1, 13, tzinfo=UTC), "e", "flow")
KNOWN = json.loads(write(CHANGE))


def test_the_schema_has_the_fields_of_the_message_in_its_order() -> None:
    types = {"crd": ["null", "long"]}
    expected = [(name, types.get(name, "string")) for name in StageChangeMessage.model_fields]
    assert [(field["name"], field["type"]) for field in DECLARED["fields"]] == expected
    assert topology().schemas == {"lead-contacted": "stage_change"}


@pytest.mark.parametrize("crd", [1001, None])
def test_what_we_write_fits_the_schema_and_is_read_back(crd: int | None) -> None:
    change = StageChange(CHANGE.lead_id, crd, CHANGE.stage, CHANGE.stage_entered_at, CHANGE.event_id, CHANGE.source)
    assert misfit("lead-contacted", write(change)) == ""
    assert read(StageChangeMessage, write(change)).change() == change


@pytest.mark.parametrize(
    "wrong",
    [
        b"no",
        b"[]",
        b"{}",
        *(json.dumps({**KNOWN, **w}).encode() for w in ({"crd": 1001}, {"crd": {"long": "1"}}, {"stage": None}, {"colour": "red"})),
    ],
)
def test_what_does_not_fit_is_told(wrong: bytes) -> None:
    assert misfit("lead-contacted", wrong)


def test_a_topic_without_a_schema_takes_anything() -> None:
    assert misfit("lead-scored", b"anything") == ""
