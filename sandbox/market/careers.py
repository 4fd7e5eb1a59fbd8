"""Firms that grow or bleed, and advisors who move between them, month by month."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FIRST_MONTH = np.datetime64("2021-01", "M")
MONTHS = 60
MONTHLY_MOVES = 0.008
YEARLY_MOVES_BEFORE = 0.07
BLEED_MEMORY = 0.93
BLEED_SPREAD = 0.7
GROWTH_PER_MONTH = 0.004


@dataclass(frozen=True, slots=True)
class Careers:
    """Every job ever begun, sorted by rep and start, and the state of each firm in each month.

    rep, firm, prior_firm (-1 at a first job), start (days since 1970) [jobs]; first_job [reps + 1] delimits a rep's
    jobs; bleed, log_aum [firms, months]: how strongly a firm loses people, and ln of its assets in $m.
    """

    rep: Ints
    firm: Ints
    prior_firm: Ints
    start: Ints
    first_job: Ints
    bleed: Floats
    log_aum: Floats

    @property
    def reps(self) -> int:
        return len(self.first_job) - 1

    def job_at(self, rep: Ints, day: Ints) -> Ints:
        """The index of the job each rep holds on each day; every rep has begun before 2021."""
        span = int(self.start.max()) + 1
        keys = self.rep * span + self.start
        return np.searchsorted(keys, rep * span + day, side="right") - 1

    def net_change(self, firm: Ints, day: Ints) -> Ints:
        """Advisors who joined each firm in the year before each day, less those who left it."""
        moves = self.prior_firm >= 0
        return self._begun(self.firm[moves], moves, firm, day) - self._begun(self.prior_firm[moves], moves, firm, day)

    def _begun(self, at: Ints, moves: NDArray[np.bool_], firm: Ints, day: Ints) -> Ints:
        span = int(self.start.max()) + 366
        keys = np.sort(at * span + self.start[moves])
        return np.searchsorted(keys, firm * span + day, "right") - np.searchsorted(keys, firm * span + day - 365, "right")


def month_index(day: Ints) -> Ints:
    """Which simulated month a day falls in."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    return np.clip((months - FIRST_MONTH).astype(np.int64), 0, MONTHS - 1)


def simulate(random: np.random.Generator, reps: int, firms: int) -> Careers:
    size = random.lognormal(0, 1.3, firms)
    bleed = _bleeding(random, firms)
    mobility = random.gamma(1.2, 1 / 1.2, reps)
    past_rep, past_firm, past_start = _before(random, mobility, size)
    present = _last_of_each(past_rep, past_firm, reps)
    later = _months(random, present, mobility, size, bleed)
    jobs = [np.concatenate(pair) for pair in zip((past_rep, past_firm, past_start), later, strict=True)]
    log_aum = np.log(size * 400)[:, None] + np.cumsum(_growth(random, bleed), axis=1)
    return _in_order(jobs, reps, bleed, log_aum)


def with_moves(careers: Careers, rep: Ints, firm: Ints, start: Ints) -> Careers:
    """The same careers with these jobs besides."""
    jobs = zip((careers.rep, careers.firm, careers.start), (rep, firm, start), strict=True)
    return _in_order([np.concatenate(pair) for pair in jobs], careers.reps, careers.bleed, careers.log_aum)


def _in_order(jobs: list[Ints], reps: int, bleed: Floats, log_aum: Floats) -> Careers:
    rep, firm, start = jobs
    order = np.lexsort((start, rep))
    rep, firm, start = rep[order], firm[order], start[order]
    again = np.concatenate([[False], (rep[1:] == rep[:-1]) & (start[1:] == start[:-1])])
    rep, firm, start = rep[~again], firm[~again], start[~again]  # nobody begins two jobs on one day
    first_job = np.searchsorted(rep, np.arange(reps + 1))
    prior = np.concatenate([[-1], firm[:-1]])
    prior[first_job[:-1]] = -1
    return Careers(rep, firm, prior, start, first_job, bleed, log_aum)


def _bleeding(random: np.random.Generator, firms: int) -> Floats:
    noise = random.normal(0, BLEED_SPREAD * np.sqrt(1 - BLEED_MEMORY**2), (firms, MONTHS))
    bleed = np.empty((firms, MONTHS))
    bleed[:, 0] = random.normal(0, BLEED_SPREAD, firms)
    for month in range(1, MONTHS):
        bleed[:, month] = BLEED_MEMORY * bleed[:, month - 1] + noise[:, month]
    return bleed


def _growth(random: np.random.Generator, bleed: Floats) -> Floats:
    return GROWTH_PER_MONTH - 0.008 * bleed + random.normal(0, 0.02, bleed.shape)


def _before(random: np.random.Generator, mobility: Floats, size: Floats) -> tuple[Ints, Ints, Ints]:
    """Careers up to 2021: the first job when the rep entered the industry, the others evenly at random since."""
    reps = len(mobility)
    today = int(FIRST_MONTH.astype("datetime64[D]").astype(np.int64))
    years = random.uniform(1, 35, reps)
    jobs = 1 + random.poisson(YEARLY_MOVES_BEFORE * mobility * years)
    rep = np.repeat(np.arange(reps), jobs)
    ago = random.uniform(0, 1, len(rep)) * years[rep]
    first = np.concatenate([[True], rep[1:] != rep[:-1]])
    ago[first] = years[rep[first]]
    start = today - 1 - (ago * 365.25).astype(np.int64)
    order = np.lexsort((start, rep))
    firm = random.choice(len(size), len(rep), p=size / size.sum())
    return rep[order], firm, start[order]


def _last_of_each(rep: Ints, firm: Ints, reps: int) -> Ints:
    return firm[np.searchsorted(rep, np.arange(reps), side="right") - 1]


def _months(random: np.random.Generator, firm: Ints, mobility: Floats, size: Floats, bleed: Floats) -> tuple[Ints, Ints, Ints]:
    moved: list[tuple[Ints, Ints, Ints]] = []
    now = firm.copy()
    for month in range(MONTHS):
        chance = MONTHLY_MOVES * mobility * np.exp(bleed[now, month])
        movers = np.flatnonzero(random.uniform(size=len(now)) < chance)
        pull = size * np.exp(-bleed[:, month])
        to = random.choice(len(size), len(movers), p=pull / pull.sum())
        opened = (FIRST_MONTH + month).astype("datetime64[D]").astype(np.int64)
        now[movers] = to
        moved.append((movers, to, opened + random.integers(0, 28, len(movers))))
    rep, to, start = (np.concatenate(parts) for parts in zip(*moved, strict=True))
    return rep, to, start
