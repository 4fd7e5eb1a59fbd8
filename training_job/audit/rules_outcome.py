"""Rules about the outcome: who has a value at all, how much one feature knows, and what is made from the answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared.asof.visible import instant, table_name
from shared.ports import Query
from training_job.audit.evidence import Evidence, Floats
from training_job.audit.findings import Finding
from training_job.audit.power import Power, power, within

MIN_PRESENT = 10
WINNERS_RATIO, WINNERS_Z = 5.0, 6.0
ONLY_WINNERS, MOST_WINNERS = 0.9, 0.5
"""Values that exist for winners alone, or for most of them and few others; a rare strong sign is neither."""
PRESENCE_RATIO, PRESENCE_Z = 1.5, 4.0
PRESENCE_DRIFT, DRIFT_Z = 0.05, 6.0
COPY_AUC = 0.98
ALARM_AUC, ALARM_Z, ALARM_TIMES_PEERS = 0.68, 6.0, 2.0
LOUD_AUC = 0.62
FEW_PEERS, ALARM_ALONE = 4, 0.78
LATER_STAGE_SHARE = 0.95
SHUFFLED_Z = 5.0


@dataclass(frozen=True, slots=True)
class Presence:
    """Having a value at all: share of leads that have one, rate of outcomes among them, share of winners that have one.

    ratio: that rate over the rate without a value; z of it; drift: share among the oldest quarter less the newest.
    """

    share: float
    rate: float
    of_winners: float
    ratio: float
    z: float
    drift: float
    drift_z: float


def presence(e: Evidence) -> Iterator[Finding]:
    """(c) A value that exists for winners, or that comes to exist as time goes by, tells the future by being there."""
    for name, then in e.then.items():
        there = np.isfinite(then)
        if min(there.sum(), (~there).sum()) < MIN_PRESENT:
            continue
        seen = max((_presence(e, there, won) for won in (e.outcome, e.ever)), key=lambda each: abs(each.z))
        telling = max(seen.ratio, 1 / max(seen.ratio, 1e-9))
        evidence = {"present_share": seen.share, "rate_ratio": seen.ratio, "z": seen.z, "old_minus_new": seen.drift, "rows": e.rows}
        how = f"Leads with a value convert {seen.ratio:.1f} times as often as those without (z {seen.z:.1f})"
        if telling >= WINNERS_RATIO and abs(seen.z) >= WINNERS_Z and (seen.rate >= ONLY_WINNERS or seen.of_winners >= MOST_WINNERS):
            yield Finding(
                name,
                "presence",
                "leak",
                f"{how}: it is filled in because of the outcome.",
                "Read it as it stood at contact, from versioned extracts, or declare it known: after_contact.",
                evidence,
            )
        elif telling >= PRESENCE_RATIO and abs(seen.z) >= PRESENCE_Z and seen.drift >= PRESENCE_DRIFT and seen.drift_z >= DRIFT_Z:
            yield Finding(
                name,
                "presence",
                "leak",
                f"{how}, and the older the lead the more often it is there ({seen.drift:+.0%} from the newest to the oldest quarter): "
                "it appears as time goes by, which no lead at contact can know.",
                "Use a source that keeps what it knew when; a table of ended jobs, for one, knows who left later.",
                evidence,
            )
        elif telling >= WINNERS_RATIO and abs(seen.z) >= WINNERS_Z:
            yield Finding(
                name,
                "presence",
                "suspect",
                f"{how}, though most winners have none: a rare strong sign, or one that is filled in for some.",
                "Make sure its value is there before the contact, then waive it by name.",
                evidence,
            )
        elif abs(seen.drift) >= 2 * PRESENCE_DRIFT and abs(seen.drift_z) >= DRIFT_Z:
            yield Finding(
                name,
                "presence",
                "suspect" if seen.drift > 0 else "note",
                f"It is there for {abs(seen.drift):.0%} {'more' if seen.drift > 0 else 'fewer'} of the oldest leads than of the newest.",
                "Find out whether values are filled in later, or whether the source's coverage really changed.",
                evidence,
            )


def strength(e: Evidence) -> Iterator[Finding]:
    """(d) One feature that knows far more than all its peers, the calendar left out."""
    half = e.week % 2
    powers = {name: power(values, e.outcome, e.month, half) for name, values in e.then.items()}
    for name, own in powers.items():
        peers = [max(other.auc - 0.5, 0.0) for key, other in powers.items() if key != name]
        peer = float(np.quantile(peers, 0.9)) if len(peers) >= FEW_PEERS else (ALARM_ALONE - 0.5) / ALARM_TIMES_PEERS
        if finding := _alarm(name, own, peer):
            yield finding


def _alarm(name: str, own: Power, peer: float) -> Finding | None:
    excess = own.auc - 0.5
    evidence: dict[str, float | int | str] = {"auc_within_month": own.auc, "z": own.z, "peers_90th": 0.5 + peer}
    loud = own.z >= ALARM_Z and excess >= ALARM_TIMES_PEERS * peer
    if own.auc >= COPY_AUC:
        say, severity = f"Alone it separates the outcomes (AUC {own.auc:.3f}): it is the answer under another name.", "leak"
    elif loud and own.auc >= ALARM_AUC:
        say, severity = f"Alone it reaches AUC {own.auc:.2f} within a month; nine tenths of its peers stay below {0.5 + peer:.2f}.", "leak"
    elif loud and own.auc >= LOUD_AUC:
        say, severity = (
            f"Alone it reaches AUC {own.auc:.2f} within a month, its peers {0.5 + peer:.2f}; good features exist, leaks more often.",
            "suspect",
        )
    else:
        return None
    remedy = "Find out when its value is written; if after the contact, declare it known: after_contact, else waive it by name."
    return Finding(name, "strength", severity, say, remedy, evidence)  # type: ignore[arg-type]


def lineage(e: Evidence) -> Iterator[Finding]:
    """(e) An expression or column that is made from the outcome, its date, or a later stage."""
    outcome = {e.contract.lead.outcome.column, e.contract.lead.outcome.event_at} - {None}
    later = set(_later_stages(e))
    for feature in e.contract.usable:
        if feature.source not in e.contract.sources:
            continue
        source = e.contract.sources[feature.source]
        if (source.table or e.contract.lead.table) != e.contract.lead.table:
            continue
        words = set(re.findall(r"\w+", feature.sql or feature.column or ""))
        if read := sorted(words & (outcome | later)):
            what = "the outcome" if words & outcome else "a later stage"
            yield Finding(
                feature.name,
                "lineage",
                "leak",
                f"It is computed from {', '.join(map(str, read))}, which is {what}.",
                "Remove it: nothing made from the answer can help to give it.",
                {"columns": ", ".join(map(str, read))},
            )


def refused(e: Evidence) -> Iterator[Finding]:
    """(b) What the contract itself declares late, personal or made from the outcome: never computed."""
    for name, why in e.contract.refused.items():
        yield Finding(name, "refused", "note", f"Refused by the contract: {why}.", "Nothing to do: it is never computed.", {})


def shuffled(e: Evidence) -> Iterator[Finding]:
    """(f) With the outcomes shuffled within months nothing may be left to know; if something is, rows share information."""
    half = e.week % 2
    random = np.random.default_rng(0)
    outcome = e.outcome.copy()
    for month in np.unique(e.month):
        members = np.flatnonzero(e.month == month)
        outcome[members] = outcome[random.permutation(members)]
    best = max((power(values, outcome, e.month, half) for values in e.then.values()), key=lambda each: each.z)
    if best.z > SHUFFLED_Z:
        yield Finding(
            "leads",
            "shuffled",
            "suspect",
            f"With shuffled outcomes a feature still reaches AUC {best.auc:.2f} (z {best.z:.1f}): leads are not independent of each other.",
            "Look for the same lead, or the same person, in several rows.",
            {"auc": best.auc, "z": best.z},
        )


def _presence(e: Evidence, there: "np.ndarray[tuple[int], np.dtype[np.bool_]]", won: Floats) -> Presence:
    ranked = within(there.astype(np.float64), won, e.month)
    with_value, without = won[there].mean(), won[~there].mean()
    oldest, newest = e.age_days >= np.quantile(e.age_days, 0.75), e.age_days <= np.quantile(e.age_days, 0.25)
    drift, drift_z = _difference(there[oldest].astype(np.float64), there[newest].astype(np.float64))
    ratio = float(with_value / max(without, 1e-9))
    return Presence(float(there.mean()), float(with_value), float(there[won == 1].mean()), ratio, ranked.z, drift, drift_z)


def _difference(a: Floats, b: Floats) -> tuple[float, float]:
    pooled = np.concatenate([a, b]).mean()
    error = np.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / len(a) + 1 / len(b)))
    return float(a.mean() - b.mean()), float((a.mean() - b.mean()) / error)


def _later_stages(e: Evidence) -> Iterator[str]:
    """Instants of the lead's table that, where they are filled, lie after the contact."""
    lead = e.contract.lead
    for column, kind in e.warehouse.columns(table_name(lead.table).strip("`")).items():
        if not kind.upper().startswith(("DATE", "TIMESTAMP")) or column in {lead.contacted_at, lead.known_at}:
            continue
        text = f"""SELECT
  COUNT(*) AS n,
  COALESCE(SUM(IF({instant(f"s.`{column}`")} > {instant(f"s.`{lead.contacted_at}`")}, 1, 0)), 0) AS later
FROM {table_name(lead.table)} AS s
WHERE s.`{column}` IS NOT NULL
  AND s.`{lead.contacted_at}` IS NOT NULL
"""
        rows, later = e.warehouse.query(Query(f"audit_stage_{e.contract.name}", text)).values[0]
        if int(str(rows)) and int(str(later)) >= LATER_STAGE_SHARE * int(str(rows)):
            yield column
