"""What changed between two contracts, and whether a model trained under the first can go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.asof.contract import Contract


@dataclass(frozen=True, slots=True)
class Change:
    """`breaks`: models of the first contract must be trained again to be served under the second."""

    what: str
    breaks: bool


_WORDS = {"sentence", "otherwise", "note", "why"}


def changes(old: Contract, new: Contract) -> list[Change]:
    """Every difference, in the contract's own order."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    found = [Change(f"{key}: {before[key]} became {after[key]}", breaks=True) for key in _plain(before) if before[key] != after[key]]
    found += [Change(f"lead.{key}: {was} became {now}", breaks=True) for key, was, now in _parts(before["lead"], after["lead"])]
    found += _entries("source", before["sources"], after["sources"], _users(old, "source"))
    found += _entries("statistic", before["statistics"], after["statistics"], set(old.statistics_of(old.usable)))
    named = [{feature["name"]: feature for feature in each["features"]} for each in (before, after)]
    return found + _entries("feature", named[0], named[1], {feature.name for feature in old.computed})


def _plain(dumped: Mapping[str, Any]) -> list[str]:
    return [key for key in dumped if key not in {"lead", "sources", "statistics", "features", "fitted"}]


def _users(contract: Contract, kind: str) -> set[str]:
    return {str(getattr(feature, kind)) for feature in contract.computed}


def _entries(kind: str, before: Mapping[str, Any], after: Mapping[str, Any], used: set[str]) -> list[Change]:
    found = [Change(f"{kind} {name} is gone", breaks=name in used) for name in before if name not in after]
    found += [Change(f"{kind} {name} is new", breaks=False) for name in after if name not in before]
    for name in before.keys() & after.keys():
        parts = list(_parts(before[name], after[name]))
        said = "; ".join(f"{key}: {was!r} became {now!r}" for key, was, now in parts)
        if parts:
            found.append(Change(f"{kind} {name}: {said}", breaks=name in used and any(key not in _WORDS for key, _, _ in parts)))
    return sorted(found, key=lambda change: change.what)


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    return ((key, before.get(key), after.get(key)) for key in {**before, **after} if before.get(key) != after.get(key))
