"""A plan as terraform shows it, read by type and key."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """`key` is what stands in brackets: the instance of a for_each, or nothing."""

    type: str
    name: str
    key: str
    values: Mapping[str, Any]

    def block(self, *names: str) -> Mapping[str, Any]:
        """The block within blocks, each there once."""
        inner: Mapping[str, Any] = self.values
        for name in names:
            (inner,) = inner[name]
        return inner


@dataclass(frozen=True, slots=True)
class Plan:
    """`raw` is the JSON of `terraform show`."""

    raw: Mapping[str, Any]

    def resources(self, kind: str, name: str = "") -> dict[str, Resource]:
        """Of one type, and of one name where given, by key; by name where there is no key."""
        return {r.key or r.name: r for r in self._all() if r.type == kind and name in {"", r.name}}

    def count(self) -> int:
        return sum(1 for _ in self._all())

    def rights(self) -> set[tuple[str, str, str]]:
        """Every right granted by what is planned: member, role, and what it is on."""
        return {
            (_account(r.values["member"]), _role(r), _target(r))
            for r in self._all()
            if r.type.endswith("_iam_member") and "member" in r.values
        }

    def expressions(self, address: str) -> Mapping[str, Any]:
        """What the configuration says of one resource, before it is worked out."""
        every = self.raw["configuration"]["root_module"]["resources"]
        found: Mapping[str, Any] = next(r["expressions"] for r in every if r["address"] == address)
        return found

    def _all(self) -> Iterator[Resource]:
        for r in self.raw["planned_values"]["root_module"]["resources"]:
            if r["mode"] == "managed":
                yield Resource(r["type"], r["name"], str(r.get("index", "")), r["values"])


def _account(member: str) -> str:
    found = re.fullmatch(r"serviceAccount:(?:(fn-|job-|leadscore-)[\w-]+)@.*", member)
    return member.removeprefix("serviceAccount:").partition("@")[0] if found else member


def _role(resource: Resource) -> str:
    return str(resource.values.get("role", "appender")).removeprefix("roles/")


def _target(resource: Resource) -> str:
    """What the right is on. A name that is only known once made is its for_each key."""
    for field in ("topic", "subscription", "bucket", "table_id", "dataset_id", "repository"):
        value = resource.values.get(field)
        if value:
            dataset = f"{resource.values['dataset_id']}." if field == "table_id" else ""
            return dataset + str(value).rpartition("/")[2]
    if resource.type == "google_project_iam_member":
        return "project"
    return str(resource.values.get("name") or resource.key.rpartition("/")[2] or resource.name)
