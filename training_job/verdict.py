"""Ship, hold or reject, each with its reasons in words."""

from dataclasses import dataclass
from typing import Literal

from shared.metrics.intervals import Estimate
from training_job.train import Trained


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: Literal["ship", "hold", "reject"]
    reasons: tuple[str, ...]


def judge(trained: Trained) -> Verdict:
    """By the sealed period alone: does it rank, and is its probability worth more than a constant."""
    if trained.sealed is None:
        return Verdict("hold", ("there is no sealed period, so nothing judged the finished model",))
    found, reasons = trained.sealed.metrics, [f"the model {calibration_words(trained.sealed.predicted, trained.sealed.actual)}"]
    if found["brier_skill"].value <= 0:
        reasons.append(f"its probabilities are no better than a constant: Brier skill {found['brier_skill']}")
    if found["auc_roc"].high <= 0.5:  # noqa: PLR2004 - a coin
        return Verdict("reject", (*reasons, f"it ranks no better than a coin: AUC-ROC {found['auc_roc']}"))
    return Verdict("hold", tuple(reasons))


def calibration_words(predicted: float, actual: Estimate) -> str:
    """Whether the mean prediction lies within the interval of what happened, said plainly."""
    if actual.low <= predicted <= actual.high:
        return f"is well calibrated on the whole: {predicted:.1%} predicted, {actual.value:.1%} happened"
    word = "under" if predicted < actual.low else "over"
    return f"{word}-predicts: {predicted:.1%} predicted, {actual.value:.1%} [{actual.low:.1%}, {actual.high:.1%}] happened"
