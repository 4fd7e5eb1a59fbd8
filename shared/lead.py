"""A lead, the advisor behind it, and the question we may ask about it."""

import re
from dataclasses import dataclass
from datetime import datetime

from shared.errors import InvalidMessage

_LEAD_ID = re.compile(r"00Q[A-Za-z0-9]{12}([A-Z0-5]{3})?")
_CHECK_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def lead_id(text: str) -> str:
    """The 18-character Salesforce Lead id; the 15-character form is completed.

    The last three characters encode the case of the first fifteen (Salesforce's own checksum), so an id whose
    case a spreadsheet has changed is caught here instead of naming another lead.
    """
    match = _LEAD_ID.fullmatch(text)
    if not match:
        raise InvalidMessage(
            f"lead_id {text[:40]!r} is not a Salesforce Lead id.",
            fix="Send the 15 or 18 characters that start with 00Q.",
        )
    stem = text[:15]
    full = stem + _case_suffix(stem)
    if match.group(1) and text != full:
        raise InvalidMessage(
            f"lead_id {text!r} fails its case checksum (expected {full!r}).",
            fix="Send the id as Salesforce shows it; a spreadsheet may have changed upper and lower case.",
        )
    return full


def _case_suffix(stem: str) -> str:
    chunks = (stem[i : i + 5] for i in (0, 5, 10))
    return "".join(_CHECK_CHARACTERS[sum(c.isupper() << i for i, c in enumerate(chunk))] for chunk in chunks)


@dataclass(frozen=True, slots=True)
class StageChange:
    """A lead entered a stage. `event_id` names the occurrence in the system that reported it."""

    lead_id: str
    crd: int | None
    stage: str
    stage_entered_at: datetime
    event_id: str
    source: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What was known about this lead at this instant? `crd` is the advisor's FINRA number."""

    lead_id: str
    crd: int | None
    as_of: datetime
