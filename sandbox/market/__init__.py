"""A synthetic advisor market: firms, careers, vendor files, a CRM, and outcomes from a hazard we know.

Deterministic by seed. Its shape follows what such markets measured: 2.5-4 % of contacted leads become MQLs, a true AUC
near .62, a median lag of a day with a tenth beyond six weeks, one CRD in twenty unmatched, vendor files that arrive late.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sandbox.market.careers import simulate, with_moves
from sandbox.market.crm import Truth, contact, later_moves
from sandbox.market.vendor import extracts


@dataclass(frozen=True, slots=True)
class Market:
    """`tables` by warehouse name; `people` is the CRM's list of leads; `truth` is what no model may see."""

    tables: dict[str, pa.Table]
    people: pa.Table
    truth: Truth


def make_market(seed: int, *, reps: int = 32_000, leads: int = 30_000, firms: int = 500, winners_move: bool = False) -> Market:
    """A market of `reps` advisors at `firms` firms, of whom `leads` are contacted from 2024-02 to 2025-10.

    With `winners_move` those who become MQLs change firms more often afterwards, as they do in life.
    """
    simulated, filed, called, moved, said = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5))
    careers = simulate(simulated, reps, firms)
    crm, people, truth = contact(called, careers, leads)
    if winners_move:
        careers = with_moves(careers, *later_moves(moved, truth, firms))
    return Market({**extracts(filed, said, careers), **crm}, people, truth)
