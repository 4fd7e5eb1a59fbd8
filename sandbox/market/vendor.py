"""What the vendor sells of the market, when it sells it: quarterly files, monthly firm figures, job filings."""

import numpy as np
import pyarrow as pa

from sandbox.market.attributes import draw_firms, draw_people, firm_columns, rep_columns
from sandbox.market.careers import FIRST_MONTH, MONTHS, Careers, Ints

VINTAGES = np.array(
    ["2024-01-07", "2024-03-31", "2024-07-07", "2024-10-06", "2025-01-05", "2025-04-06", "2025-07-06", "2025-10-05"],
    "datetime64[D]",
)
"""Eight files; there is none for 2024-Q2, and two came in 2024-Q1."""

DELIVERY_DAYS = 12
FIRST_REP_CRD = 1_000_001
FIRST_FIRM_CRD = 100_001
MONTH_LAG_DAYS = 45
FILING_LAG_DAYS = 20
HISTORY_FROM = np.datetime64("2023-12", "M")


def extracts(random: np.random.Generator, facts: np.random.Generator, careers: Careers) -> dict[str, pa.Table]:
    """Every vendor table. `random` decides when a job is filed; `facts` draws what files say beyond jobs."""
    return {
        "vendor.rep_snapshots": _reps(facts, careers),
        "vendor.firm_snapshots": _firms(facts, careers),
        "vendor.firm_months": _firm_months(careers),
        "vendor.employment": _employment(random, careers),
    }


def rep_crd(rep: Ints) -> Ints:
    return rep + FIRST_REP_CRD


def firm_crd(firm: Ints) -> Ints:
    return firm + FIRST_FIRM_CRD


def _vintage(vintage: np.datetime64, rows: int) -> dict[str, pa.Array]:
    delivered = (vintage + DELIVERY_DAYS).astype("datetime64[us]")
    return {
        "vintage": pa.array(np.full(rows, vintage), pa.date32()),
        "known_at": pa.array(np.full(rows, delivered), pa.timestamp("us", "UTC")),
    }


def _present_jobs(careers: Careers, vintage: np.datetime64) -> Ints:
    return careers.job_at(np.arange(careers.reps), np.full(careers.reps, vintage.astype(np.int64)))


def _reps(facts: np.random.Generator, careers: Careers) -> pa.Table:
    everyone, people = rep_crd(np.arange(careers.reps)), draw_people(facts, careers.reps)
    files = []
    for vintage in VINTAGES:
        job = _present_jobs(careers, vintage)
        said = rep_columns(careers, people, int(vintage.astype(np.int64)), job)
        ids = {"rep_crd": everyone, "firm_crd": firm_crd(careers.firm[job])}
        files.append(pa.table({**ids, **_vintage(vintage, careers.reps), **said}))
    return pa.concat_tables(files)


def _firms(facts: np.random.Generator, careers: Careers) -> pa.Table:
    count, drawn = len(careers.bleed), draw_firms(facts, careers)
    files = []
    for vintage in VINTAGES:
        reps = np.bincount(careers.firm[_present_jobs(careers, vintage)], minlength=count)
        said = firm_columns(careers, drawn, reps, int(vintage.astype(np.int64)))
        ids = {"firm_crd": firm_crd(np.arange(count)), "number_of_reps": reps}
        files.append(pa.table({**ids, **_vintage(vintage, count), **said}))
    return pa.concat_tables(files)


def _firm_months(careers: Careers) -> pa.Table:
    firms = np.arange(len(careers.bleed))
    tables = []
    for month in range(int((HISTORY_FROM - FIRST_MONTH).astype(np.int64)), MONTHS):
        named = FIRST_MONTH + month
        known = ((named + 1).astype("datetime64[D]") + MONTH_LAG_DAYS).astype("datetime64[us]")
        columns = {
            "firm_crd": firm_crd(firms),
            "month": pa.array(np.full(len(firms), named.astype("datetime64[D]")), pa.date32()),
            "total_aum_m": np.round(np.exp(careers.log_aum[:, month]), 3),
            "known_at": pa.array(np.full(len(firms), known), pa.timestamp("us", "UTC")),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _employment(random: np.random.Generator, careers: Careers) -> pa.Table:
    """Two versions of a job: as filed when it began, and again, with its end, once the next one was filed."""
    filed = careers.start + np.ceil(random.exponential(FILING_LAG_DAYS, len(careers.start))).astype(np.int64)
    last = np.append(careers.rep[1:] != careers.rep[:-1], True)
    ended = np.flatnonzero(~last)
    again = np.maximum(filed[ended], filed[ended + 1]) + 1
    jobs = np.concatenate([np.arange(len(filed)), ended])
    end = np.concatenate([np.full(len(filed), -1), careers.start[ended + 1]])
    recorded = np.concatenate([filed, again])
    prior = careers.prior_firm[jobs]
    return pa.table(
        {
            "rep_crd": rep_crd(careers.rep[jobs]),
            "firm_crd": firm_crd(careers.firm[jobs]),
            "prior_firm_crd": pa.array(firm_crd(prior), mask=prior < 0),
            "start_date": pa.array(careers.start[jobs].astype("datetime64[D]"), pa.date32()),
            "end_date": pa.array(end.astype("datetime64[D]"), pa.date32(), mask=end < 0),
            "recorded_at": pa.array(recorded.astype("datetime64[D]").astype("datetime64[us]"), pa.timestamp("us", "UTC")),
        }
    )
