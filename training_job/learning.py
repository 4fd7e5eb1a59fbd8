"""Would more leads help? The chosen candidate learns from ever longer stretches of the past and is judged on the same last period."""

from dataclasses import dataclass

import numpy as np

from shared.matrix import Matrix
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_roc
from shared.metrics.summary import period_of
from training_job.candidates import Compared, Course, Say, Tried
from training_job.compare import fit_on
from training_job.screening import screen

MIN_POSITIVES = 20


@dataclass(frozen=True, slots=True)
class Step:
    """AUC-ROC of the last period after learning from the latest `rows` leads before it."""

    rows: int
    positives: int
    auc_roc: Estimate


def curve(course: Course, compared: Compared, chosen: Tried, say: Say) -> tuple[tuple[Step, ...], str]:
    """One step per share of the policy, and what they say in words."""
    data, last = course.dataset, compared.periods[-1].fold
    outcome, found = data.outcome[last.judge], list[Step]()
    for share in course.policy.learning_curve:
        rows = last.train[-int(share * len(last.train)) :]
        if data.outcome[rows].sum() < MIN_POSITIVES:
            continue
        say(f"learning from {len(rows):,} leads")
        kept = data.take(rows)
        gone = {each.feature for each in screen(kept, course.policy.filters.of(chosen.candidate.screen))}
        model = fit_on(Course(kept.without(gone), course.contract, course.gap_days, course.policy), chosen.candidate, compared.weights)
        ranked = Ranked.of(model.predictor.margins(data.take(last.judge).without(gone).matrix), outcome)
        value = bootstrap(lambda w, r=ranked: auc_roc(r, w), outcome, period_of(data.contacted_at[last.judge]), resamples=200)  # type: ignore[misc]
        found.append(Step(len(rows), int(data.outcome[rows].sum()), value))
    return tuple(found), words(found)


def words(steps: list[Step]) -> str:
    """Plain words, and none that the intervals do not bear."""
    if len(steps) < 2:  # noqa: PLR2004 - one step is no curve
        return "too few leads for a learning curve"
    gain, width = steps[-1].auc_roc.value - steps[-2].auc_roc.value, (steps[-1].auc_roc.high - steps[-1].auc_roc.low) / 2
    before, after = steps[-2:]
    scores = f"AUC-ROC went from {before.auc_roc.value:.3f} to {after.auc_roc.value:.3f}"
    between = f"from {before.rows:,} to {after.rows:,} leads {scores}"
    if abs(gain) < width / np.sqrt(2):
        return f"{between}, less than these leads can tell apart: more leads would mostly narrow the intervals"
    return f"{between}: " + ("more leads would still help" if gain > 0 else "older leads did harm, so a shorter past may serve better")


def rank_auc(margins: Matrix, outcome: Matrix) -> float:
    return auc_roc(Ranked.of(margins, outcome))
