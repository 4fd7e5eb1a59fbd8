"""What a new champion means for the leads at hand: how many the next nightly batch scores again."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.asof.labels import OpenLead, open_leads
from shared.model.artifact import Artifact
from shared.policies import ScoringPolicy
from shared.ports import Query, Warehouse


@dataclass(frozen=True, slots=True)
class Plan:
    """Open leads, those of them the batch scores, and in how many messages."""

    as_of: datetime
    open: int
    to_score: int
    pages: int


def plan(warehouse: Warehouse, model: Artifact, policy: ScoringPolicy, now: datetime) -> Plan:
    """As the nightly batch will decide it at `now`."""
    since, stale = now - timedelta(days=policy.open_days), now - timedelta(days=policy.stale_after_days)
    rows = warehouse.query(open_leads(model.contract), known_by=now, since=since, model_version=model.version)
    leads = rows.into(OpenLead)
    due = sum(lead.last_as_of is None or lead.last_as_of < stale for lead in leads)
    return Plan(now, len(leads), due, math.ceil(due / policy.page_size))


def last_scored(warehouse: Warehouse, otherwise: datetime) -> datetime:
    """The last instant anything was scored about: what a replayed world calls now."""
    (row,) = warehouse.query(Query("last_scored", "SELECT MAX(as_of) AS as_of FROM `scores.ledger`"))
    return row["as_of"] if isinstance(row["as_of"], datetime) else otherwise
