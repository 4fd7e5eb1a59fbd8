"""What Salesforce should be told about a lead that it does not show yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isclose

from shared.clock import isoformat
from shared.errors import ConfigError
from shared.ledger import Standing, Status
from shared.policies import SalesforcePolicy
from shared.ports import FieldValue
from shared.score import REASON_LIMIT, reasons_text

Values = Mapping[str, FieldValue]

_HELD = frozenset({"cleared", "reverted"})


@dataclass(frozen=True, slots=True)
class Fields:
    """The Salesforce field of each part of a score, and how far its number may move without being told."""

    names: Mapping[str, str]
    reasons_limit: int
    same_within: Mapping[str, float]

    @property
    def empty(self) -> Values:
        return dict.fromkeys(self.names.values())


@dataclass(frozen=True, slots=True)
class Change:
    """What one record is to hold. `status` is what its receipt will say; `shown` is what we last knew to stand there."""

    lead_id: str
    values: Values
    status: Status
    model_version: str
    as_of: datetime
    shown: str | None


def fields(policy: SalesforcePolicy, writable: Mapping[str, int]) -> Fields:
    """ConfigError when Salesforce lacks a field of the policy, or does not let us write it."""
    names = policy.fields.model_dump()
    missing = sorted(set(names.values()) - writable.keys())
    if missing:
        raise ConfigError(
            f"Salesforce has no Lead field that we may write called {', '.join(missing)}.",
            fix="Create the fields and give the integration user access, or rename them in policies/salesforce.yaml.",
        )
    tolerance = {names[part]: limit for part, limit in policy.same_within.model_dump().items()}
    return Fields(names, min(REASON_LIMIT, writable[names["reasons"]] or REASON_LIMIT), tolerance)


def wanted(standing: Standing, fields: Fields, *, has_left: bool = False) -> Change | None:
    """The change that brings Salesforce to the ledger, or None when there is nothing to tell.

    A lead that has left the scored set is emptied once. What was emptied or put back by a person stays as it is until
    the lead is scored anew.
    """
    if has_left:
        if standing.shown is None or not any(json.loads(standing.shown).values()):
            return None
        values, status = fields.empty, "cleared"
    else:
        if standing.last_status in _HELD and standing.last_at is not None and standing.last_at >= standing.scored_at:
            return None
        values, status = _score(standing, fields), "written"
    if standing.last_sent is not None and same(values, json.loads(standing.last_sent), fields):
        return None
    return Change(standing.lead_id, values, status, standing.model_version, standing.as_of, standing.shown)  # type: ignore[arg-type]


def same(values: Values, before: Values, fields: Fields, *, exactly: bool = False) -> bool:
    """Whether a record that holds `before` says the same. When it was scored does not count: a refresh alone is no change."""
    within = {} if exactly else fields.same_within
    named = (name for name in values if name != fields.names["scored_at"])
    return all(_alike(values[name], before.get(name), within.get(name, 0)) for name in named)


def _alike(value: FieldValue, before: FieldValue, within: float) -> bool:
    if isinstance(value, int | float) and isinstance(before, int | float):
        return abs(value - before) <= within or isclose(value, before, rel_tol=1e-9)
    return value == before


def _score(standing: Standing, fields: Fields) -> Values:
    parts: dict[str, FieldValue] = {
        "score": standing.score,
        "probability": round(standing.probability, 6),
        "percentile": round(standing.percentile, 2),
        "band": standing.band,
        "action": standing.action,
        "reasons": reasons_text(standing.reasons, fields.reasons_limit) or None,
        "model_version": standing.model_version,
        "scored_at": isoformat(standing.scored_at),
    }
    return {field: parts[part] for part, field in fields.names.items()}
