"""What a contract's parts say of each other: every name they use must be there, in time, and not in a circle."""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from shared.asof.declared import ASKED, DERIVED
from shared.documents import Fault

if TYPE_CHECKING:
    from shared.asof.contract import Contract


def faults(contract: "Contract") -> Iterator[Fault]:
    """Every reference that does not hold, at its key."""
    yield from _source_faults(contract)
    yield from _feature_faults(contract)
    yield from _statistic_faults(contract)
    yield from _group_faults(contract)


def _source_faults(contract: "Contract") -> Iterator[Fault]:
    seen = set[str]()
    for name, source in contract.sources.items():
        upstream = source.on.partition(".")[0]
        if source.on not in {"lead_id", "crd"} and upstream not in seen:
            yield Fault(("sources", name, "on"), f"{source.on!r} is not lead_id, crd or <earlier source>.<column>")
        elif upstream in seen and contract.sources[upstream].kind == "history":
            yield Fault(("sources", name, "on"), f"{upstream} is a history of many rows; join on a column of a vintage or event source")
        if source.on == "crd" and contract.lead.crd is None:
            yield Fault(("sources", name, "on"), "it joins on crd, but lead.crd names no column")
        seen.add(name)


def _feature_faults(contract: "Contract") -> Iterator[Fault]:
    names = [feature.name for feature in contract.features]
    for index, feature in enumerate(contract.features):
        at = ("features", index)
        if feature.name in names[:index]:
            yield Fault((*at, "name"), f"feature {feature.name} is defined twice")
        if feature.source not in {*contract.sources, DERIVED, ASKED}:
            yield Fault((*at, "source"), f"feature {feature.name}: no source {feature.source!r}; there are {', '.join(contract.sources)}")
        if feature.source == DERIVED and not contract.inputs(feature):
            yield Fault((*at, "sql"), f"feature {feature.name} is derived, but its sql names no feature declared before it")
        for param in sorted(params_of(feature.sql) - contract.statistics.keys()):
            yield Fault((*at, "sql"), f"feature {feature.name}: no statistic fills @{param}; {listed(contract.statistics)}")


def _statistic_faults(contract: "Contract") -> Iterator[Fault]:
    by_name = {feature.name: feature for feature in contract.features}
    for name, statistic in contract.statistics.items():
        at, feature = ("statistics", name, "of"), by_name.get(statistic.of)
        if feature is None:
            yield Fault(at, f"no feature {statistic.of!r} to take the {statistic.take} of")
        elif (feature.dtype in {"text", "category"}) != (statistic.take == "top"):
            yield Fault(at, f"the {statistic.take} of a {feature.dtype} is not defined; top is for texts, the others for numbers")
        elif name in contract.rests_on(statistic.of):
            yield Fault(at, f"cyclic: {name} is fitted on {statistic.of}, which is computed from @{name}")


def _group_faults(contract: "Contract") -> Iterator[Fault]:
    groups = {group for feature in contract.features for group in feature.all_groups}
    for index, group in enumerate(contract.default_groups):
        if group not in groups:
            yield Fault(("default_groups", index), f"no feature is of group {group!r}; {listed(groups)}")


def params_of(sql: str | None) -> set[str]:
    """The query parameters a formula mentions."""
    return set(re.findall(r"@(\w+)", sql or ""))


def listed(names: Collection[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there are none"
