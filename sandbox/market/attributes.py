"""What a vendor file says of each advisor and firm: plausible, slowly changing, and no part of why anybody converts.

Shares follow what such files measured: AUM present for 93 %, growth for 90 %, Series 7 held by 69 %, CFP by 17 %, dually
registered 58 %, tenure missing for 21 %, age known for 60 %, a fifth at wirehouses and a quarter at independent RIAs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sandbox.market.careers import Careers, Floats, Ints

METROS = (
    "New York-Newark-Jersey City NY-NJ", "Los Angeles-Long Beach-Anaheim CA", "Chicago-Naperville-Elgin IL-IN",
    "Dallas-Fort Worth-Arlington TX", "Miami-Fort Lauderdale-West Palm Beach FL", "Boston-Cambridge-Newton MA-NH",
    "Houston-The Woodlands-Sugar Land TX", "Atlanta-Sandy Springs-Roswell GA", "Phoenix-Mesa-Scottsdale AZ",
    "San Francisco-Oakland-Hayward CA", "Denver-Aurora-Lakewood CO", "Seattle-Tacoma-Bellevue WA",
    "Minneapolis-St. Paul-Bloomington MN-WI", "San Diego-Carlsbad CA", "Tampa-St. Petersburg-Clearwater FL",
    "Charlotte-Concord-Gastonia NC-SC", "St. Louis MO-IL", "Portland-Vancouver-Hillsboro OR-WA", "Columbus OH", "Nashville TN",
    "Kansas City MO-KS", "Salt Lake City UT", "Richmond VA", "Omaha-Council Bluffs NE-IA", "Boise City ID", "Tulsa OK", "Fargo ND-MN",
)  # fmt: skip
STATES = ("NY", "CA", "TX", "FL", "IL", "PA", "OH", "NJ", "MA", "GA", "NC", "AZ", "CO", "WA", "MN", "MO", "OR", "TN", "VA", "UT")
AGES = ("UNDER_35", "35-49", "50-64", "65-69", "70+")
TITLES = ("Associate Advisor", "Financial Advisor", "Senior Financial Advisor", "Vice President", "Managing Director")
CLASSIFICATIONS = ("Wirehouse", "Independent RIA", "Hybrid RIA", "Independent BD", "Insurance")
YEAR_DAYS = 365.25
PROMOTED_A_YEAR = 0.06
MOVED_STATE_A_YEAR = 0.02

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Firms:
    """Fixed facts of each firm [firms]."""

    classification: NDArray[np.str_]
    employees_per_rep: Floats
    clients_per_rep: Floats
    account: Floats
    pct_us: Floats
    protocol: Bools


@dataclass(frozen=True, slots=True)
class People:
    """Fixed facts of each advisor, as draws from which a file of any date is told [reps]."""

    draws: Mapping[str, Floats]
    wealth: Floats
    metro: NDArray[np.str_]
    age_at_start: Floats


def draw_firms(random: np.random.Generator, careers: Careers) -> Firms:
    firms = len(careers.bleed)
    size = np.bincount(careers.firm, minlength=firms)
    wirehouse = np.zeros(firms, bool)
    wirehouse[np.argsort(-size)[: np.searchsorted(np.cumsum(np.sort(size)[::-1]) / size.sum(), 0.2) + 1]] = True
    other = random.choice(CLASSIFICATIONS[1:], firms, p=[0.34, 0.3, 0.26, 0.1])
    return Firms(
        classification=np.where(wirehouse, CLASSIFICATIONS[0], other),
        employees_per_rep=random.lognormal(0.6, 0.4, firms),
        clients_per_rep=random.lognormal(4, 0.6, firms),
        account=random.lognormal(13, 0.8, firms),
        pct_us=100 - np.minimum(random.exponential(6, firms), 60),
        protocol=random.uniform(size=firms) < np.where(wirehouse, 0.5, 0.3),
    )


def draw_people(random: np.random.Generator, reps: int) -> People:
    names = (
        "type", "age", "contractor", "insurance", "breakaway", "primary", "unlikely", "degree", "linkedin", "email", "website",
        "s7", "s65", "s66", "s24", "cfp", "cfa", "cima", "aif", "states", "firms", "miles", "no_tenure", "no_assets", "no_growth",
        "state", "promotion", "title", "hnw", "funds", "private", "clients", "owner",
    )  # fmt: skip
    weights = 1 / np.arange(2, len(METROS) + 2)
    return People(
        draws={name: random.uniform(size=reps) for name in names},
        wealth=random.normal(4, 1.2, reps),
        metro=random.choice(METROS, reps, p=weights / weights.sum()),
        age_at_start=random.uniform(22, 38, reps),
    )


def rep_columns(careers: Careers, people: People, day: int, job: Ints) -> dict[str, pa.Array]:
    """What a file of `day` says of every advisor, `job` being the one each holds then [reps]."""
    u, first = people.draws, careers.first_job[:-1]
    industry = (day - careers.start[first]) / YEAR_DAYS
    here = (day - careers.start[job]) / YEAR_DAYS
    headcount = np.bincount(careers.firm[job], minlength=len(careers.bleed))[careers.firm[job]]
    year = (day - 19_700) / YEAR_DAYS
    return {
        **_registration(u, year),
        **_person(people, industry, year),
        "number_firm_associations": _ints(1 + np.floor(3 * u["firms"] ** 3 + np.minimum(year * (u["title"] > 0.97), 2))),
        "number_ria_firm_associations": _ints(1 + np.floor(2 * u["firms"] ** 4)),
        "number_branch_advisors": _ints(1 + np.floor(headcount ** (0.3 + 0.4 * u["clients"]))),
        "number_ia_reps": _ints(1 + np.floor(headcount ** (0.2 + 0.4 * u["clients"]))),
        "years_as_rep": _floats(industry, u["no_tenure"] < 0.06),
        "years_at_firm": _floats(here, u["no_tenure"] < 0.21),
        **{f"years_prior_firm_{back}": _prior_years(careers, job, back) for back in (1, 2, 3, 4)},
        **_money(people, industry, year),
    }


def firm_columns(careers: Careers, firms: Firms, reps: Ints, day: int) -> dict[str, pa.Array]:
    """What a file of `day` says of every firm with `reps` advisors then [firms]."""
    wobble = 1 + 0.03 * np.sin(np.arange(len(reps)) + day / 200)
    ownership = np.where(firms.classification == "Independent RIA", "Independent", np.where(firms.account > 1e6, "Public", "Subsidiary"))
    return {
        "classification": pa.array(firms.classification),
        "ownership_type": pa.array(ownership),
        "broker_protocol_member": pa.array(firms.protocol),
        "number_of_employees": _ints(1 + np.round(reps * firms.employees_per_rep * wobble)),
        "investment_advisory_clients": _ints(np.round(reps * firms.clients_per_rep * wobble)),
        "average_account_size": _floats(firms.account * wobble, digits=0),
        "pct_clients_us": _floats(firms.pct_us),
    }


def _registration(u: Mapping[str, Floats], year: float) -> dict[str, pa.Array]:
    flags = {
        "is_primary_ria_firm": u["primary"] < 0.968,
        "known_non_advisor": u["unlikely"] < 0.01,
        "dually_registered": u["type"] < 0.58,
        "breakaway_rep": u["breakaway"] < 0.06,
        "insurance_licensed": u["insurance"] < 0.45,
        "independent_contractor": u["contractor"] < 0.3,
        "owner": u["owner"] < 0.18,
        "has_series_7": u["s7"] < 0.691,
        "has_series_65": u["s65"] < 0.3 + 0.02 * year,
        "has_series_66": u["s66"] < 0.4,
        "has_series_24": u["s24"] < 0.15,
        "has_cfp": u["cfp"] < 0.174 + 0.006 * year,
        "has_cfa": u["cfa"] < 0.04,
        "has_cima": u["cima"] < 0.02,
        "has_aif": u["aif"] < 0.03,
    }
    kinds = np.select([u["type"] < 0.58, u["type"] < 0.78, u["type"] < 0.97], ["DR", "BD", "IA"], "NA")
    return {"rep_type": pa.array(kinds), **{name: pa.array(flag) for name, flag in flags.items()}}


def _person(people: People, industry: Floats, year: float) -> dict[str, pa.Array]:
    u = people.draws
    age = people.age_at_start + industry
    rung = np.minimum(np.floor(industry / 7) + (u["title"] > 0.9) + (u["promotion"] < PROMOTED_A_YEAR * year), len(TITLES) - 1)
    moved = u["state"] < MOVED_STATE_A_YEAR * year
    state = (np.floor(u["states"] * len(STATES)).astype(int) + moved) % len(STATES)
    return {
        "title": _words(TITLES, rung.astype(int), u["title"] < 0.08),
        "age_range": _words(AGES, np.digitize(age, [35, 50, 65, 70]), u["age"] > 0.605),
        "metro": pa.array(people.metro, mask=u["miles"] > 0.93),
        "branch_state": _words(STATES, state, u["state"] > 0.97),
        "registered_states": _ints(1 + np.floor(12 * u["states"] ** 3 + year * (u["firms"] > 0.7))),
        "has_graduate_degree": pa.array(u["degree"] < 0.22),
        "has_linkedin": pa.array(u["linkedin"] < 0.65 + 0.01 * year),
        "has_email": pa.array(u["email"] < 0.59),
        "has_website": pa.array(u["website"] < 0.2),
        "miles_to_work": _floats(0.5 + 30 * u["miles"] ** 3 + 60 * (u["miles"] > 0.88), u["miles"] > 0.93),
    }


def _money(people: People, industry: Floats, year: float) -> dict[str, pa.Array]:
    u = people.draws
    total = np.exp(people.wealth + 0.02 * industry + 0.05 * year)
    no_assets, no_growth = u["no_assets"] > 0.933, u["no_growth"] > 0.903
    clients = np.floor(20 + 250 * u["clients"] ** 2)
    hnw = np.floor(clients * u["hnw"] ** 2 * 0.6)
    yearly = 12 * (u["no_growth"] / 0.903 - 0.4) + 4 * np.sin(6 * u["funds"] + year)
    return {
        "total_assets_m": _floats(total, no_assets),
        "assets_individuals_m": _floats(total * (0.4 + 0.4 * u["clients"]), no_assets),
        "assets_hnw_m": _floats(total * 0.6 * u["hnw"], no_assets),
        "assets_mutual_funds_m": _floats(total * 0.5 * u["funds"], no_assets),
        "assets_private_funds_m": _floats(total * 0.2 * u["private"] ** 4, no_assets | (u["private"] < 0.3)),
        "clients_individuals": _ints(clients, no_assets),
        "clients_hnw": _ints(hnw, no_assets),
        "pct_clients_individuals": _floats(60 + 40 * u["clients"], no_assets),
        "pct_clients_hnw": _floats(100 * hnw / clients, no_assets),
        "pct_assets_mutual_funds": _floats(50 * u["funds"], no_assets),
        "aum_growth_1y": _floats(yearly, no_growth),
        "aum_growth_5y": _floats(5 * yearly + 20 * (u["funds"] - 0.5), no_growth),
    }


def _prior_years(careers: Careers, job: Ints, back: int) -> pa.Array:
    """Years spent in the job `back` before the present one, missing where there was none."""
    left = job - back + 1
    there = left - 1 >= careers.first_job[:-1]
    began = np.where(there, careers.start[np.maximum(left - 1, 0)], 0)
    return _floats((careers.start[np.maximum(left, 0)] - began) / YEAR_DAYS, ~there)


def _floats(values: Floats, hidden: Bools | None = None, digits: int = 2) -> pa.Array:
    return pa.array(np.round(values, digits), pa.float64(), mask=hidden)


def _ints(values: Floats, hidden: Bools | None = None) -> pa.Array:
    return pa.array(values.astype(np.int64), mask=hidden)


def _words(words: Sequence[str], index: Ints, hidden: Bools) -> pa.Array:
    return pa.array(np.array(words)[index], mask=hidden)
