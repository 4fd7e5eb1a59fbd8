"""Labels, honestly: what each contacted lead turned out to be, as far as it was known by a given instant."""

from dataclasses import dataclass
from datetime import datetime

from shared.asof.compile import instant, literal, table_name
from shared.asof.contract import Contract
from shared.asof.declared import Entries
from shared.ports import Query

POSITIVE = "positive"
NEGATIVE = "negative"
IMMATURE = "immature"
MQL_BEFORE_CONTACT = "mql_before_contact"
LEFT_TRUNCATED = "left_truncated"
NOT_CONTACTED_YET = "not_contacted_yet"


def labels(contract: Contract) -> Query:
    """`lead_id, crd, contacted_at, outcome_at, status` per contacted lead, reading only what was known by `known_by`.

    positive: the outcome came within the window. negative: it did not, or came later. immature: contacted less
    than window plus lag ago, so neither can be said. mql_before_contact: it was won before time zero. left_truncated:
    contacted before the first outcome on record, by so many leads that outcomes cannot have been recorded yet.
    """
    return Query(f"labels_{contract.name}", labels_sql(contract), {"known_by": "TIMESTAMP"})


UNSEEN_POSITIVES = 10
"""So many positives expected before the first one on record (a chance of e^-10) mean that none was recorded then."""


def labels_sql(contract: Contract) -> str:
    window = f"TIMESTAMP_ADD(contacted_at, INTERVAL {contract.lead.outcome.window_days} DAY)"
    return f"""WITH
leads AS (
{leads_sql(contract)}
),
recording AS (
  SELECT
    MIN(outcome_at) AS since,
    AVG(IF(outcome_at >= contacted_at AND outcome_at <= {window}, 1.0, 0.0)) AS rate
  FROM leads
),
truncation AS (
  SELECT
    IF(MAX(recording.rate) * SUM(IF(leads.contacted_at < recording.since, 1, 0)) >= {UNSEEN_POSITIVES},
      MAX(recording.since), NULL) AS since
  FROM leads
  CROSS JOIN recording
)
SELECT
  leads.lead_id,
  leads.crd,
  leads.contacted_at,
  leads.outcome_at,
  CASE
    WHEN contacted_at > @known_by THEN '{NOT_CONTACTED_YET}'
    WHEN outcome_at < contacted_at THEN '{MQL_BEFORE_CONTACT}'
    WHEN contacted_at < truncation.since THEN '{LEFT_TRUNCATED}'
    WHEN contacted_at > TIMESTAMP_SUB(@known_by, INTERVAL {_maturity_days(contract)} DAY) THEN '{IMMATURE}'
    WHEN outcome_at <= {window} THEN '{POSITIVE}'
    ELSE '{NEGATIVE}'
  END AS status
FROM leads
CROSS JOIN truncation
"""


def mature_asks_sql(contract: Contract) -> str:
    """Every mature lead at its contact, as known by the parameter `known_by`."""
    return f"SELECT lead_id, crd, contacted_at AS as_of FROM (\n{labels_sql(contract)})\nWHERE status IN ('{POSITIVE}', '{NEGATIVE}')"


def leads_sql(contract: Contract) -> str:
    """Each contacted lead once, from the latest extract known by `known_by`, with the instants of its contact and outcome.

    A lead contacted more than once counts at its latest or at its first contact, as the contract's lead.reopened says.
    """
    lead = contract.lead
    contacted, outcome = instant(f"s.`{lead.contacted_at}`"), _outcome_at(contract)
    tail = f"FROM {table_name(lead.table)} AS s"
    if lead.reopened == "first":
        contacted, outcome = (f"MIN({clock}) OVER (PARTITION BY s.`{lead.key}`)" for clock in (contacted, outcome))
        if lead.entries:
            contacted = f"LEAST({contacted}, COALESCE(entries.first_at, {contacted}))"
            tail += f"\nLEFT JOIN (\n{entries_sql(lead.entries)}\n) AS entries\n  ON entries.lead_id = CAST(s.`{lead.key}` AS STRING)"
    known = f"\n  AND {instant(f's.`{lead.known_at}`')} <= @known_by" if lead.known_at else ""
    latest = f"\nQUALIFY ROW_NUMBER() OVER (PARTITION BY s.`{lead.key}` ORDER BY s.`{lead.known_at}` DESC) = 1"
    return f"""SELECT
  CAST(s.`{lead.key}` AS STRING) AS lead_id,
  {f"CAST(s.`{lead.crd}` AS INT64)" if lead.crd else "CAST(NULL AS INT64)"} AS crd,
  {contacted} AS contacted_at,
  {outcome} AS outcome_at
{tail}
WHERE s.`{lead.contacted_at}` IS NOT NULL{known}{latest if lead.known_at else ""}"""


def entries_sql(entries: Entries) -> str:
    """`lead_id, first_at, times`: per lead its contacts known by `known_by`."""
    return f"""SELECT
  CAST(e.`{entries.key}` AS STRING) AS lead_id,
  MIN({instant(f"e.`{entries.entered_at}`")}) AS first_at,
  COUNT(DISTINCT e.`{entries.entered_at}`) AS times
FROM {table_name(entries.table)} AS e
WHERE e.`{entries.stage}` = {literal(entries.contacted)}
  AND {instant(f"e.`{entries.known_at}`")} <= @known_by
GROUP BY e.`{entries.key}`"""


def _outcome_at(contract: Contract) -> str:
    outcome = contract.lead.outcome
    if outcome.event_at:
        return instant(f"s.`{outcome.event_at}`")
    won = f"CAST(s.`{outcome.column}` AS STRING) = {literal(outcome.positive or '')}"
    return f"IF({won}, {instant(f's.`{contract.lead.contacted_at}`')}, NULL)"


def _maturity_days(contract: Contract) -> int:
    return contract.lead.outcome.window_days + contract.lead.lag_days


@dataclass(frozen=True, slots=True)
class OpenLead:
    """A contacted lead without an outcome, and as of when it was scored last (None: never, or by another model since).

    After a rollback the model at hand may have scored a lead before, yet what the lead shows is its successor's.
    """

    lead_id: str
    crd: int | None
    contacted_at: datetime
    last_as_of: datetime | None


def open_leads(contract: Contract) -> Query:
    """OpenLead rows: contacted after `since`, with no outcome known by `known_by`."""
    text = f"""WITH
leads AS (
{leads_sql(contract)}
),
scored AS (
  SELECT
    lead_id,
    stage_entered_at,
    model_version,
    as_of
  FROM `scores.ledger`
  WHERE role = 'champion'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id, stage_entered_at ORDER BY as_of DESC, scored_at DESC) = 1
)
SELECT
  leads.lead_id,
  leads.crd,
  leads.contacted_at,
  scored.as_of AS last_as_of
FROM leads
LEFT JOIN scored
  ON scored.lead_id = leads.lead_id
  AND scored.stage_entered_at = leads.contacted_at
  AND scored.model_version = @model_version
WHERE leads.contacted_at > @since
  AND leads.contacted_at <= @known_by
  AND (leads.outcome_at IS NULL OR leads.outcome_at > @known_by)
ORDER BY leads.contacted_at, leads.lead_id
"""
    params = {"known_by": "TIMESTAMP", "since": "TIMESTAMP", "model_version": "STRING"}
    return Query(f"open_leads_{contract.name}", text, params)


@dataclass(frozen=True, slots=True)
class ScoredLead:
    """A lead that has a score, and whether it has left the set we keep scores for."""

    lead_id: str
    has_left: bool


def scored_leads(contract: Contract) -> Query:
    """ScoredLead rows: left are those contacted before `since` and those whose outcome after that contact was known by `known_by`.

    A lead that no extract knows yet has not left: the event was faster than the extract.
    """
    text = f"""WITH
leads AS (
{leads_sql(contract)}
),
scored AS (
  SELECT
    lead_id,
    MAX(stage_entered_at) AS stage_entered_at
  FROM `scores.ledger`
  WHERE role = 'champion'
  GROUP BY lead_id
)
SELECT
  scored.lead_id,
  scored.stage_entered_at <= @since
    OR COALESCE(leads.outcome_at <= @known_by AND leads.outcome_at >= scored.stage_entered_at, FALSE) AS has_left
FROM scored
LEFT JOIN leads
  ON leads.lead_id = scored.lead_id
ORDER BY scored.lead_id
"""
    return Query(f"scored_leads_{contract.name}", text, {"known_by": "TIMESTAMP", "since": "TIMESTAMP"})
