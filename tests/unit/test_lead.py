import pytest

from shared.errors import InvalidMessage
from shared.lead import _case_suffix, lead_id


def test_the_case_suffix_is_salesforce_s_own() -> None:
    # The example of Salesforce's help article on 15- and 18-character ids.
    assert _case_suffix("001A0000006Vm9r") == "IAC"


def test_fifteen_characters_are_completed() -> None:
    assert lead_id("00Q5e0000026979") == "00Q5e0000026979EAA"
    assert lead_id("00Q5e0000026979EAA") == "00Q5e0000026979EAA"


def test_an_id_whose_case_was_changed_is_refused_rather_than_naming_another_lead() -> None:
    with pytest.raises(InvalidMessage, match="case checksum"):
        lead_id("00Q5E0000026979EAA")


@pytest.mark.parametrize("text", ["", "006000000000001AAA", "00Q5e000002697", "00Q5e0000026979EA", "00Q5e00000269-9EAA", "x" * 500])
def test_what_is_no_lead_id_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InvalidMessage, match="00Q"):
        lead_id(text)
