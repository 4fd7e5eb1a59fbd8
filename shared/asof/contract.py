"""The contract: the one place that says what a lead is, where the clocks are, and what each feature is."""

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from shared.asof.declared import ASKED, DERIVED, Feature, Fitted, Lead, LeakWaiver, Name, Outcome, Source, Statistic, Waiver, column_name
from shared.asof.references import faults, listed, params_of
from shared.documents import Document, broken_rules, load
from shared.errors import ContractError

__all__ = [
    "ASKED",
    "DERIVED",
    "Contract",
    "Feature",
    "Lead",
    "LeakWaiver",
    "Outcome",
    "Source",
    "Statistic",
    "Waiver",
    "column_name",
    "load_contract",
    "params_of",
    "refuse_expired",
]


class Contract(Document):
    """`default_groups` are the feature groups a model is trained on (empty: all). `fitted` is filled by training."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    lead: Lead
    missing: tuple[str, ...] = ()
    deny: tuple[Name, ...] = ()
    waivers: tuple[LeakWaiver, ...] = ()
    default_groups: tuple[str, ...] = ()
    sources: Mapping[str, Source]
    statistics: Mapping[Name, Statistic] = {}
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    fitted: Fitted = Field(default_factory=dict)

    @model_validator(mode="after")
    def _references(self) -> "Contract":
        if found := list(faults(self)):
            raise broken_rules(found)
        return self

    def statistics_of(self, features: Collection[Feature]) -> list[str]:
        """The statistics these features are computed with, themselves or through what they rest on."""
        used = {name for feature in features for name in self.rests_on(feature.name)}
        return [name for name in self.statistics if name in used]

    def rests_on(self, feature: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Statistics behind a feature, followed through features and through the statistics themselves."""
        if feature in seen or feature not in self._inputs:
            return set()
        seen |= {feature}
        own = params_of(self._by_name[feature].sql) & self.statistics.keys()
        deeper = [*self._inputs[feature], *(self.statistics[name].of for name in own)]
        return own.union(*(self.rests_on(name, seen) for name in deeper))

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def _inputs(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for feature in self.features:
            words = set(re.findall(r"(?<!@)\b\w+", feature.sql or feature.column or "")) if feature.source == DERIVED else set()
            found[feature.name] = tuple(name for name in found if name in words)
        return found

    def inputs(self, feature: Feature) -> tuple[str, ...]:
        """The features a derived feature is computed from; only features declared before it can be."""
        return self._inputs[feature.name]

    @cached_property
    def refused(self) -> dict[str, str]:
        """Features that may never be used, and why."""
        outcome = {self.lead.outcome.column, self.lead.outcome.event_at} - {None}
        reasons: dict[str, str] = {}
        for feature in self.features:
            if feature.known == "after_contact":
                reasons[feature.name] = feature.why or "declared after_contact: not known when the lead is scored"
            elif feature.pii or feature.name in self.deny or feature.column in self.deny:
                reasons[feature.name] = "personal data or on the deny list"
            elif feature.column in outcome:
                reasons[feature.name] = "it is the outcome itself"
            elif built_on := next((name for name in self.inputs(feature) if name in reasons), None):
                reasons[feature.name] = f"it is computed from {built_on}, which is refused"
        return reasons

    @property
    def refused_of_selected(self) -> dict[str, str]:
        """Those of them that belong to the groups a model is trained on."""
        return {f.name: self.refused[f.name] for f in self.features if f.name in self.refused and self.selects(f)}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Every group that has a feature a model may see, in declared order."""
        seen = (f for f in self.features if f.name not in self.refused and not f.helper)
        return tuple(dict.fromkeys(group for feature in seen for group in feature.all_groups))

    def selects(self, feature: Feature) -> bool:
        """Whether it belongs to the groups a model is trained on."""
        return not self.default_groups or bool(set(self.default_groups) & set(feature.all_groups))

    def with_groups(self, groups: Collection[str]) -> "Contract":
        """The same contract whose models see only these groups. ContractError for a group nobody declared."""
        unknown = set(groups) - {group for feature in self.features for group in feature.all_groups}
        if unknown:
            raise ContractError(f"Contract {self.name} has no feature group {listed(unknown)}.", fix="See ./leadscore contract show.")
        return Contract.model_validate({**self.model_dump(), "default_groups": tuple(groups)})

    def with_fitted(self, fitted: Fitted) -> "Contract":
        """The same contract with its statistics as training found them."""
        return Contract.model_validate({**self.model_dump(), "fitted": dict(fitted)})

    def closure(self, features: Collection[Feature]) -> tuple[Feature, ...]:
        """These features and all they are computed from, in declared order."""
        wanted, names = {feature.name for feature in features}, [feature.name for feature in self.features]
        for name in reversed(names):
            if name in wanted:
                wanted.update(self._inputs[name])
        return tuple(feature for feature in self.features if feature.name in wanted)

    @cached_property
    def usable(self) -> tuple[Feature, ...]:
        """The features a model may see, in declared order."""
        usable = tuple(f for f in self.features if f.name not in self.refused and not f.helper and self.selects(f))
        if not usable:
            raise ContractError(f"Every feature of contract {self.name} is refused.", fix="Declare one known at contact.")
        return usable

    @cached_property
    def computed(self) -> tuple[Feature, ...]:
        """The usable features and all they are computed from, in declared order."""
        return self.closure(self.usable)

    @cached_property
    def hash(self) -> str:
        """Changes whenever anything the contract says changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def load_contract(path: Path, today: date | None = None) -> Contract:
    """The contract at `path`; ContractError names line and key. With `today`, a waiver that has run out is one too."""
    contract = load(path, Contract, ContractError)
    if today is not None:
        refuse_expired(contract, today)
    return contract


def refuse_expired(contract: Contract, today: date) -> None:
    sources = ((f"source {name}", source.waiver) for name, source in contract.sources.items() if source.waiver)
    findings = ((f"rule {waiver.rule} on {waiver.feature}", waiver) for waiver in contract.waivers)
    over = [f"{what}: the waiver of {w.by} expired on {w.expires}" for what, w in (*sources, *findings) if w.expired(today)]
    if over:
        raise ContractError("; ".join(over) + ".", fix="Mend the cause, or have a person renew the waiver with a later day.")
