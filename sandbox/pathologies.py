"""Twins of the market that differ only in what is planted: each known way in which lead data lie about time, made on purpose.

Every twin has the same leads, outcomes and contract. A pathology changes how one table was published; the feature that
reads the table is the same, honest in the clean twin and a leak in the other.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from sandbox.market import Market, make_market
from sandbox.world import MARKET_CUTOFF, World, make_world_of
from shared.asof.contract import Contract, Feature, Source, load_contract
from shared.documents import Document, parse
from shared.errors import ConfigError

Frames: TypeAlias = dict[str, pd.DataFrame]

CUTOFF = pd.Timestamp(MARKET_CUTOFF)
ARRIVED_BY_MONTH_OF_AGE = (0.25, 0.5, 0.75, 0.9)
"""How complete the vendor's last months are (a measured back-fill of about 115 days)."""


FILED_AFTER_DAYS = 80


@dataclass(frozen=True, slots=True)
class Pathology:
    """What is planted, where it shows, and the rules of the audit that name it."""

    name: str
    subject: str
    rules: tuple[str, ...]
    story: str
    plant: Callable[[Frames, Market, np.random.Generator], None]


def make_pathological_world(
    path: Path, contract_path: Path, seed: int, leads: int, names: Collection[str], *, quiet: bool = False
) -> World:
    """A market world at `path` with the pathologies `names`, the contract that reads it, and `planted.json` that tells.

    In a `quiet` world nothing that comes after a contact depends on its outcome: winners move no more than others, and
    fields are filled in as often for those who never talked to us.
    """
    unknown = sorted(set(names) - set(PATHOLOGIES))
    if unknown:
        raise ConfigError(f"There is no pathology {', '.join(unknown)}.", fix=f"Use all, none, or some of {', '.join(PATHOLOGIES)}.")
    market = make_market(seed, leads=leads, reps=leads + 2000, winners_move=not quiet)
    frames = _honest(market, np.random.default_rng(seed), quiet=quiet)
    for name, pathology in PATHOLOGIES.items():
        if name in names:
            pathology.plant(frames, market, np.random.default_rng([seed, len(name)]))
    tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.items()}
    world = make_world_of(path, naive_contract(contract_path), market, tables)
    (path / "contract.yaml").write_text(yaml.safe_dump(world.contract.model_dump(mode="json", exclude_defaults=True), sort_keys=False))
    told = [{k: v for k, v in asdict(PATHOLOGIES[name]).items() if k != "plant"} for name in PATHOLOGIES if name in names]
    (path / "planted.json").write_text(json.dumps(told, indent=1))
    return world


def naive_contract(path: Path) -> Contract:
    """The contract at `path` with the features people build without asking when a value was known."""
    declared = load_contract(path)
    extra = Naive.model_validate(parse(NAIVE))
    sources, features = {**declared.sources, **extra.sources}, (*declared.features, *extra.features)
    groups = (*declared.default_groups, "naive") if declared.default_groups else ()
    return Contract.model_validate({**dict(declared), "sources": sources, "features": features, "default_groups": groups})


class Naive(Document):
    sources: Mapping[str, Source]
    features: tuple[Feature, ...]


NAIVE = """
sources:
  fields: {kind: vintage, table: crm.lead_fields, key: lead_id, on: lead_id, event_time: changed_at, known_at: known_at}
  assets: {kind: vintage, table: vendor.firm_assets, key: firm_crd, on: job.firm_crd, event_time: month, known_at: known_at}
  ends: {kind: history, table: vendor.job_ends, key: rep_crd, on: crd, event_time: start_date, known_at: known_at,
         grain: [firm_crd, start_date]}
  jobs_held: {kind: history, table: vendor.jobs_held, key: rep_crd, on: crd, event_time: start_date, known_at: known_at,
              grain: [firm_crd, start_date]}
features:
  - {name: has_email, source: fields, column: has_email, dtype: bool, group: naive, kind: mutable, sentence: has an e-mail address}
  - {name: engagement_score, source: fields, column: engagement_score, dtype: float, group: naive, kind: mutable}
  - {name: personal_aum_m, source: fields, column: personal_aum_m, dtype: float, unit: $m, group: naive, kind: mutable}
  - {name: firm_assets_m, source: assets, column: assets_m, dtype: float, unit: $m, group: naive, kind: mutable}
  - {name: days_since_last_end, source: ends, dtype: float, group: naive, kind: mutable, sql: "DATE_DIFF(DATE(as_of), MAX(end_date), DAY)"}
  - {name: months_in_job, source: jobs_held, dtype: float, group: naive, kind: calculable,
     sql: "MAX(IF(end_date IS NULL OR end_date > DATE(as_of), DATE_DIFF(DATE(as_of), start_date, MONTH), NULL))"}
"""


def _honest(market: Market, random: np.random.Generator, *, quiet: bool) -> Frames:
    """The market's tables and the naive features' own, each row with the instant it was really known."""
    employment = market.tables["vendor.employment"].to_pandas().rename(columns={"recorded_at": "known_at"})
    months = market.tables["vendor.firm_months"].to_pandas()
    jobs = employment[["rep_crd", "firm_crd", "start_date", "end_date", "known_at"]]
    return {
        **{name: table.to_pandas() for name, table in market.tables.items()},
        "crm.lead_fields": _fields(market, random, quiet=quiet),
        "vendor.firm_assets": months.rename(columns={"total_aum_m": "assets_m"}),
        "vendor.job_ends": jobs.copy(),
        "vendor.jobs_held": jobs.copy(),
    }


def _fields(market: Market, random: np.random.Generator, *, quiet: bool) -> pd.DataFrame:
    """Two versions of a lead's fields: as created, and for those who talked to us (if quiet, for anybody), as filled in afterwards."""
    truth = market.truth
    leads = len(truth.lead_id)
    contacted = pd.DatetimeIndex(truth.contacted_at).tz_localize("UTC")
    created = contacted - pd.to_timedelta(random.integers(1, 30, leads), "D")
    aum = np.round(random.lognormal(4, 1, leads), 1)
    first = pd.DataFrame(
        {
            "lead_id": truth.lead_id,
            "has_email": random.uniform(size=leads) < 0.6,
            "engagement_score": np.round(5 + random.normal(size=leads), 2),
            "personal_aum_m": np.where(random.uniform(size=leads) < 0.04, aum, np.nan),
            "changed_at": created,
            "known_at": created,
        }
    )
    won = random.permutation(truth.converted) if quiet else truth.converted
    talked = won & (random.uniform(size=leads) < 0.6) | (random.uniform(size=leads) < 0.01)
    after = contacted[talked] + pd.Timedelta(days=2)
    filled = first[talked].assign(personal_aum_m=aum[talked], changed_at=after, known_at=after)
    return pd.concat([first, filled], ignore_index=True)


def _back_filled_ends(frames: Frames, market: Market, random: np.random.Generator) -> None:
    jobs = frames["vendor.job_ends"].sort_values("known_at").groupby(["rep_crd", "firm_crd", "start_date"], as_index=False)
    frames["vendor.job_ends"] = jobs.agg({"end_date": "last", "known_at": "first"})


def _later_movers(frames: Frames, market: Market, random: np.random.Generator) -> None:
    visible = frames["vendor.jobs_held"]
    visible = visible[visible["known_at"] <= CUTOFF].sort_values("known_at")
    jobs = visible.groupby(["rep_crd", "firm_crd", "start_date"], as_index=False).agg({"end_date": "last", "known_at": "first"})
    frames["vendor.jobs_held"] = jobs[jobs["end_date"].notna()]


def _current_aum(frames: Frames, market: Market, random: np.random.Generator) -> None:
    months = frames["vendor.firm_months"]
    latest = months[months["known_at"] <= CUTOFF].sort_values("month").groupby("firm_crd", as_index=False).last()
    backdated = latest.assign(month=months["month"].min(), known_at=months["known_at"].min())
    frames["vendor.firm_assets"] = backdated.rename(columns={"total_aum_m": "assets_m"})


def _field_filled_after_contact(frames: Frames, market: Market, random: np.random.Generator) -> None:
    fields = frames["crm.lead_fields"]
    final = fields.groupby("lead_id")["personal_aum_m"].last()
    fields["personal_aum_m"] = fields["lead_id"].map(final)


def _label_derived(frames: Frames, market: Market, random: np.random.Generator) -> None:
    won = dict(zip(market.truth.lead_id, market.truth.converted, strict=True))
    fields = frames["crm.lead_fields"]
    fields["engagement_score"] += 2.5 * fields["lead_id"].map(won).astype(float)


def _list_batches(frames: Frames, market: Market, random: np.random.Generator) -> None:
    month = pd.Series(market.truth.contacted_at.astype("datetime64[M]"), index=market.truth.lead_id)
    share = dict(zip(month.unique(), random.permutation(np.linspace(0.13, 0.98, month.nunique())), strict=True))
    filled = random.uniform(size=len(month)) < month.map(share).to_numpy(np.float64)
    fields = frames["crm.lead_fields"]
    fields["has_email"] = fields["lead_id"].map(dict(zip(month.index, filled, strict=True)))


def _repeated_keys(frames: Frames, market: Market, random: np.random.Generator) -> None:
    reps = frames["vendor.rep_snapshots"]
    again = reps.sample(frac=0.03, random_state=int(random.integers(2**31)))
    elsewhere = random.permutation(again["firm_crd"].to_numpy())
    frames["vendor.rep_snapshots"] = pd.concat([reps, again.assign(firm_crd=elsewhere)], ignore_index=True)


def _vendor_lag(frames: Frames, market: Market, random: np.random.Generator) -> None:
    months = frames["vendor.firm_months"]
    ended = pd.to_datetime(months["month"]) + pd.offsets.MonthBegin(1)
    age = np.floor((CUTOFF.tz_localize(None) - ended).dt.days / 30.4).clip(0, len(ARRIVED_BY_MONTH_OF_AGE)).astype(int)
    arrived = np.append(ARRIVED_BY_MONTH_OF_AGE, 1.0)[age]
    here = (random.uniform(size=len(months)) < arrived) | (ended > CUTOFF.tz_localize(None))
    frames["vendor.firm_months"] = months.assign(known_at=ended.dt.tz_localize("UTC"))[here]


def _late_filings(frames: Frames, market: Market, random: np.random.Generator) -> None:
    jobs = frames["vendor.employment"]
    began, first = pd.to_datetime(jobs["start_date"]).dt.tz_localize("UTC"), jobs["end_date"].isna()
    filed = began + pd.to_timedelta(random.exponential(FILED_AFTER_DAYS, len(jobs)).astype(np.int64), "D")
    here = ~(first & (began <= CUTOFF) & (filed > CUTOFF))
    frames["vendor.employment"] = jobs.assign(recorded_at=jobs["recorded_at"].where(~first, began))[here]


_ALL = (
    Pathology(
        "vendor_lag", "source firm_month", ("early_claims",), "months are dated as if known at once and filled over four", _vendor_lag
    ),
    Pathology("late_filings", "source job", ("early_claims",), "jobs are dated as if filed on their first day", _late_filings),
    Pathology(
        "back_filled_ends", "days_since_last_end", ("later_content",), "end dates are filled in under the old date", _back_filled_ends
    ),
    Pathology(
        "later_mover_table", "months_in_job", ("presence", "later_content"), "a table of ended jobs knows who left later", _later_movers
    ),
    Pathology("current_aum", "firm_assets_m", ("todays_value",), "today's assets stand on old leads", _current_aum),
    Pathology(
        "field_filled_after_contact",
        "personal_aum_m",
        ("presence",),
        "a field is filled in once the lead talks",
        _field_filled_after_contact,
    ),
    Pathology("label_derived", "engagement_score", ("strength",), "a score is raised once the call is booked", _label_derived),
    Pathology("list_batches", "has_email", ("batch",), "a field comes with the list, 13 to 98 % of a month's leads", _list_batches),
    Pathology("duplicate_keys", "source rep", ("repeated_keys",), "advisors stand in a file twice with different firms", _repeated_keys),
)
PATHOLOGIES: Mapping[str, Pathology] = {pathology.name: pathology for pathology in _ALL}
