"""Advisors who are not leads: whom the contract's roster of advisors lists, and the CRM does not."""

from shared.asof.contract import Contract, Source
from shared.asof.visible import instant, key_of, known_instant, table_name
from shared.errors import ContractError
from shared.ports import Query


def prospects(contract: Contract) -> Query:
    """`crd` of each advisor with a fresh row in the roster, and in no extract of the CRM, by what was known at `as_of`.

    The roster is the required source that is asked by crd. ContractError when the contract has none.
    """
    lead, roster = contract.lead, _roster(contract)
    key = key_of(contract, roster)
    conditions = [f"{known_instant(roster)} <= @as_of"]
    if roster.event_time:
        event = instant(f"s.`{roster.event_time}`")
        conditions.append(f"{event} <= @as_of")
        conditions += [f"{event} >= TIMESTAMP_SUB(@as_of, INTERVAL {roster.max_age_days} DAY)"] if roster.max_age_days else []
    conditions += [f"({roster.where})"] if roster.where else []
    visible = "\n  AND ".join(conditions)
    known = f"\n    AND {instant(f'l.`{lead.known_at}`')} <= @as_of" if lead.known_at else ""
    text = f"""SELECT DISTINCT
  s.`{key}` AS crd
FROM {table_name(roster.table or lead.table)} AS s
WHERE {visible}
  AND NOT EXISTS (
    SELECT 1
    FROM {table_name(lead.table)} AS l
    WHERE CAST(l.`{lead.crd}` AS INT64) = s.`{key}`{known}
  )
ORDER BY crd
"""
    return Query(f"prospects_{contract.name}", text, {"as_of": "TIMESTAMP"})


def _roster(contract: Contract) -> Source:
    found = [source for source in contract.sources.values() if source.required and source.on == "crd"]
    if not found or contract.lead.crd is None:
        raise ContractError(
            f"Contract {contract.name} has no required source that is asked by crd, so it knows no advisors but leads.",
            fix="Use the advisor contract, or declare the roster of advisors with `on: crd` and `required: true`.",
        )
    return found[0]
