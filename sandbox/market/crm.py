"""The CRM: who was contacted when, what came of it by a known hazard, and the monthly extracts of it all."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sandbox.market.careers import Careers, Floats, Ints, month_index
from sandbox.market.vendor import rep_crd
from shared.lead import lead_id

FIRST_CONTACT = np.datetime64("2024-02-01", "D")
LAST_CONTACT = np.datetime64("2025-10-31", "D")
LAST_EXTRACT = np.datetime64("2026-02-01", "D")
TRUE_AUC = 0.62
BASE_RATE = 0.032
UNMATCHED_SHARE = 0.05
EARLY_SHARE = 0.116
LATE_SHARE = 0.12
SAME_DAY_SHARE = 0.35
WINDOW_DAYS = 30
DAY_US = 86_400_000_000
SGAS = 14
YEARS_TO_LEAVE = 5.0
WINNERS_LEAVE = 2.3

_FIRST_NAMES = ("Avery", "Blake", "Casey", "Devon", "Ellis", "Frankie", "Gray", "Harper", "Indigo", "Jules", "Kai", "Logan")
_LAST_NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper", "Larch", "Maple")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the generator knows: each lead's advisor, true chance of an MQL within the window, and whether it came [leads]."""

    lead_id: list[str]
    rep: Ints
    contacted_at: NDArray[np.datetime64]
    probability: Floats
    converted: NDArray[np.bool_]


def contact(random: np.random.Generator, careers: Careers, leads: int) -> tuple[dict[str, pa.Table], pa.Table, Truth]:
    """Contact `leads` different advisors, on working days and hours, and let the hazard decide."""
    rep = random.permutation(careers.reps)[:leads]
    contacted = _working_hours(random, leads)
    day = contacted // DAY_US
    chance = _chance(_drive(careers, rep, day), day)
    converted = random.uniform(size=leads) < chance
    mql = _mql_instants(random, contacted, converted)
    ids = [lead_id(f"00Q5e{number:010d}") for number in range(leads)]
    crd = np.where(random.uniform(size=leads) < UNMATCHED_SHARE, 9_000_000 + rep, rep_crd(rep))
    created = contacted - random.integers(1, 40, leads) * DAY_US
    tables = {
        "crm.lead_snapshots": _snapshots(ids, crd, created, contacted, mql),
        "crm.stage_events": _stage_events(ids, contacted, mql),
    }
    return tables, _people(random, ids, crd), Truth(ids, rep, contacted.astype("datetime64[us]"), chance, converted)


def later_moves(random: np.random.Generator, truth: Truth, firms: int) -> tuple[Ints, Ints, Ints]:
    """Advisors who left some time after we called (rep, firm, start [moves]): winners 2.3 times as often as the others."""
    wait = random.exponential(YEARS_TO_LEAVE * 365 / np.where(truth.converted, WINNERS_LEAVE, 1.0))
    start = truth.contacted_at.astype("datetime64[D]").astype(np.int64) + 5 + wait.astype(np.int64)
    gone = start < LAST_EXTRACT.astype(np.int64) - 35
    return truth.rep[gone], random.integers(0, firms, int(gone.sum())), start[gone]


def _working_hours(random: np.random.Generator, leads: int) -> Ints:
    """Instants in microseconds since 1970, Monday to Friday, 13:00-22:00 UTC."""
    days = np.arange(FIRST_CONTACT, LAST_CONTACT + 1)
    working = days[np.is_busday(days)].astype(np.int64)
    return np.sort(random.choice(working, leads) * DAY_US + random.integers(13 * 3600, 22 * 3600, leads) * 1_000_000)


def _drive(careers: Careers, rep: Ints, day: Ints) -> Floats:
    """What makes an advisor listen: recent moves, a firm that loses people, a long stay, a small firm; not a fresh start."""
    job = careers.job_at(rep, day)
    moves = job - np.maximum(careers.job_at(rep, day - 1096), careers.first_job[rep])
    firm = careers.firm[job]
    tenure = (day - careers.start[job]) / 365.25
    industry = (day - careers.start[careers.first_job[rep]]) / 365.25
    earlier_jobs = job - careers.first_job[rep]
    usual = np.where(earlier_jobs > 0, (industry - tenure) / np.maximum(earlier_jobs, 1), np.inf)
    losses = -np.clip(careers.net_change(firm, day), -60, 60)
    return np.asarray(
        0.7 * np.minimum(moves, 3)
        + 1.0 * np.sign(losses) * np.sqrt(np.abs(losses)) / 4
        + 0.4 * np.clip(tenure / np.maximum(usual, 0.5), 0, 3)
        - 0.7 * (tenure < 1)
        - 0.35 * careers.log_aum[firm, month_index(day)]
    )


def _chance(drive: Floats, day: Ints) -> Floats:
    """Logistic in the drive, scaled to the true AUC and the base rate, with the rate rising by half over the period."""
    z = (drive - drive.mean()) / drive.std()
    trend = 0.4 * (day - day.mean()) / np.ptp(day)
    scale = _bisect(lambda s: _expected_auc(_at_rate(s * z + trend)) - TRUE_AUC, 0.01, 3)
    return _at_rate(scale * z + trend)


def _at_rate(margin: Floats) -> Floats:
    shift = _bisect(lambda a: float(_logistic(margin + a).mean()) - BASE_RATE, -15, 5)
    return _logistic(margin + shift)


def _logistic(margin: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-margin)))


def _expected_auc(chance: Floats) -> float:
    """The AUC the true chances themselves would reach on outcomes drawn from them."""
    rising = np.sort(chance)
    losing = np.cumsum(1 - rising) - (1 - rising)
    return float((rising * losing).sum() / (rising.sum() * (1 - rising).sum()))


def _bisect(rising, low: float, high: float) -> float:  # type: ignore[no-untyped-def] # noqa: ANN001 - a local helper
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _mql_instants(random: np.random.Generator, contacted: Ints, converted: NDArray[np.bool_]) -> Ints:
    """When each lead became an MQL, 0 if never: mostly within a day, some after the window, some before the contact."""
    leads = len(contacted)
    fast = random.uniform(size=leads) < SAME_DAY_SHARE
    days = np.where(fast, random.uniform(0, 0.2, leads), np.minimum(random.exponential(6, leads), WINDOW_DAYS - 0.01))
    rate = converted.mean()
    late = ~converted & (random.uniform(size=leads) < LATE_SHARE * rate)
    early = ~converted & ~late & (random.uniform(size=leads) < EARLY_SHARE * rate)
    days = np.where(late, WINDOW_DAYS + random.exponential(30, leads), np.where(early, -random.uniform(0.1, 20, leads), days))
    return np.where(converted | late | early, contacted + (days * DAY_US).astype(np.int64), 0)


def _instants(values: Ints, hidden: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(values.astype("datetime64[us]"), pa.timestamp("us", "UTC"), mask=hidden)


def _snapshots(ids: list[str], crd: Ints, created: Ints, contacted: Ints, mql: Ints) -> pa.Table:
    """The Lead object as each monthly extract found it: stages not reached yet are empty."""
    names = np.array(ids)
    tables = []
    for month in np.arange(FIRST_CONTACT.astype("datetime64[M]") + 1, LAST_EXTRACT.astype("datetime64[M]") + 1):
        at = int(month.astype("datetime64[us]").astype(np.int64))
        there = created < at
        columns = {
            "lead_id": names[there],
            "fa_crd": crd[there],
            "created_at": _instants(created[there]),
            "stage_entered_contacting": _instants(contacted[there], (contacted >= at)[there]),
            "stage_entered_call_scheduled": _instants(mql[there], ((mql == 0) | (mql >= at))[there]),
            "known_at": _instants(np.full(int(there.sum()), at)),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _stage_events(ids: list[str], contacted: Ints, mql: Ints) -> pa.Table:
    names, won = np.array(ids), mql > 0
    entered = np.concatenate([contacted, mql[won]])
    stage = np.concatenate([np.full(len(ids), "Contacted"), np.full(int(won.sum()), "Call Scheduled")])
    at = _instants(entered)
    return pa.table({"lead_id": np.concatenate([names, names[won]]), "stage": stage, "entered_at": at, "known_at": at})


def _people(random: np.random.Generator, ids: list[str], crd: Ints) -> pa.Table:
    first, last = random.choice(_FIRST_NAMES, len(ids)), random.choice(_LAST_NAMES, len(ids))
    owners = np.array([f"005000000000{number:03d}AAA" for number in range(1, SGAS + 1)])
    return pa.table(
        {
            "Id": ids,
            "FA_CRD__c": crd.astype(str),
            "FirstName": first,
            "LastName": last,
            "Company": np.char.add(last, " Wealth Partners"),
            "OwnerId": random.choice(owners, len(ids)),
        }
    )
