"""Rules as a model: a decision list turned into one tree, so that it is judged, served and explained like any other."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared.config import ROOT
from shared.documents import Document, broken_rule, load
from shared.errors import DataError
from shared.matrix import Matrix
from shared.model.trees import Node, Trees, build
from training_job.lesson import Lesson

PRIOR_POSITIVES = 20
"""A rule's rate counts as if so many positives had already shown the base rate (facts.md 4.1: tiers rest on 12 leads)."""
MOST_NODES = 4000


class Condition(Document):
    """A number between bounds; a missing value meets no condition."""

    feature: str
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> "Condition":
        if self.at_least is None and self.below is None:
            raise broken_rule(f"{self.feature}: give at_least or below")
        return self

    def met(self, values: Matrix) -> NDArray[np.bool_]:
        """Where values [rows] lie between the bounds."""
        met = ~np.isnan(values)
        met &= values >= self.at_least if self.at_least is not None else True
        met &= values < self.below if self.below is not None else True
        return met


class Rule(Document):
    name: str
    all: tuple[Condition, ...] = Field(min_length=1)

    def met(self, value_of: Mapping[str, Matrix]) -> NDArray[np.bool_]:
        return np.asarray(np.logical_and.reduce([condition.met(value_of[condition.feature]) for condition in self.all]))


class RulesPolicy(Document):
    """Rules by the name of the contract whose leads they sort."""

    contracts: Mapping[str, tuple[Rule, ...]]


def rules_for(contract: str, folder: Path = ROOT / "policies") -> tuple[Rule, ...]:
    return load(folder / "rules.yaml", RulesPolicy).contracts.get(contract, ())


def usable(rules: Sequence[Rule], names: Sequence[str]) -> list[Rule]:
    """The rules whose every feature is among `names`."""
    return [rule for rule in rules if all(condition.feature in names for condition in rule.all)]


def tree_of(rules: Sequence[Rule], lesson: Lesson) -> Trees:
    """First match wins, as one tree. DataError when the rules cross so often that the tree grows beyond reason."""
    value_of = dict(zip(lesson.names, lesson.matrix.T, strict=True))
    tier = np.select([rule.met(value_of) for rule in rules], list(range(len(rules))), len(rules))
    base = float(lesson.outcome.mean())
    count, positives = np.bincount(tier, minlength=len(rules) + 1), np.bincount(tier, lesson.outcome, len(rules) + 1)
    rates = (positives + PRIOR_POSITIVES) / (count + PRIOR_POSITIVES / base)
    place = {name: index for index, name in enumerate(lesson.names)}
    grower = _Grower([_questions(rule, place) for rule in rules], np.log(rates / (1 - rates)), [])
    grower.grow(0, {}, lesson.matrix)
    return build([grower.nodes], 0.0)


@dataclass(frozen=True, slots=True)
class _Question:
    """Is x >= threshold? The rule goes on where the answer is `wanted`. The threshold -inf asks whether x is known."""

    column: int
    threshold: float
    wanted: bool

    def answer(self, known: Mapping[int, tuple[float, float] | None]) -> bool | None:
        """What is already known of the column answers, or None where it does not; a missing value never answers as wanted."""
        if self.column not in known:
            return None
        between = known[self.column]
        if between is None:
            return not self.wanted
        low, high = between
        return True if low >= self.threshold else False if high <= self.threshold else None


def _questions(rule: Rule, place: Mapping[str, int]) -> list[_Question]:
    asked = []
    for condition in rule.all:
        column = place[condition.feature]
        asked.append(_Question(column, -math.inf, wanted=True))
        asked += [_Question(column, condition.at_least, wanted=True)] if condition.at_least is not None else []
        asked += [_Question(column, condition.below, wanted=False)] if condition.below is not None else []
    return asked


@dataclass(frozen=True, slots=True)
class _Grower:
    """Asks one open question after another; what is already known is not asked twice. leaf [rules + 1] is the margin of each."""

    rules: Sequence[Sequence[_Question]]
    leaf: Matrix
    nodes: list[Node]

    def grow(self, rule: int, known: Mapping[int, tuple[float, float] | None], rows: Matrix) -> int:
        """Append the subtree for `rows` and return the place of its root."""
        if len(self.nodes) > MOST_NODES:
            raise DataError("The rules cross each other too often to be one tree.", fix="Have fewer rules in policies/rules.yaml.")
        while rule < len(self.rules) and any(q.answer(known) is not q.wanted for q in self.rules[rule] if q.answer(known) is not None):
            rule += 1
        index = len(self.nodes)
        self.nodes.append(Node(0, 0.0, False, -1, -1, float(self.leaf[rule]), max(len(rows), 1e-3)))  # noqa: FBT003
        question = next((q for q in self.rules[rule] if q.answer(known) is None), None) if rule < len(self.rules) else None
        if question is None:
            return index
        column, threshold = question.column, question.threshold
        value = rows[:, column]
        low, high = known.get(column) or (-math.inf, math.inf)
        below, above = (None, (low, high)) if threshold == -math.inf else ((low, threshold), (threshold, high))
        left = self.grow(rule, {**known, column: below}, rows[~(value >= threshold)])
        right = self.grow(rule, {**known, column: above}, rows[value >= threshold])
        cover = self.nodes[left].cover + self.nodes[right].cover
        self.nodes[index] = Node(column, threshold, False, left, right, 0.0, cover)  # noqa: FBT003
        return index
