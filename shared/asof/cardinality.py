"""The declared cardinality of each join: one version of one row per key and clocks, or an error that names the keys."""

from collections.abc import Sequence

from shared.asof.compile import used_sources
from shared.asof.contract import Contract, Source
from shared.asof.visible import key_of, table_name, version_columns
from shared.errors import FanOut
from shared.ports import Query, Warehouse

NAMED = 3


def assert_single(warehouse: Warehouse, contract: Contract) -> None:
    """FanOut when a source that the contract's features use holds two rows where its clocks and grain allow one."""
    faults = [fault for name in used_sources(contract, contract.computed) if (fault := _fault(warehouse, contract, name))]
    if faults:
        raise _fan_out(contract, faults)


def twins(warehouse: Warehouse, contract: Contract, crds: Sequence[int]) -> FanOut:
    """The error for asks of these advisors that came back more than once."""
    names = used_sources(contract, contract.computed)
    mine = [fault for name in names if (fault := _fault(warehouse, contract, name, crds))]
    return _fan_out(contract, mine or [fault for name in names if (fault := _fault(warehouse, contract, name))])


def _fan_out(contract: Contract, faults: Sequence[str]) -> FanOut:
    said = "; ".join(faults) or "an ask was given twice"
    return FanOut(
        f"A join of contract {contract.name} multiplies its asks: {said}.", fix="Remove the copies, or declare what tells them apart."
    )


def _fault(warehouse: Warehouse, contract: Contract, name: str, crds: Sequence[int] | None = None) -> str:
    source = contract.sources[name]
    undeclared = source.kind == "history" and not source.grain
    if undeclared or (crds is not None and source.on != "crd"):
        return ""
    rows = warehouse.query(duplicates(contract, source, among=crds is not None), **({"crds": list(crds)} if crds is not None else {}))
    if not rows.values:
        return ""
    first = next(iter(rows))
    columns = [column for column in version_columns(contract, source) if column in first]
    named = [" ".join(f"{column} {row[column]}" for column in columns) + f" ({row['copies_']} rows)" for row in rows][:NAMED]
    table = table_name(source.table or contract.lead.table).strip("`")
    return f"{name} ({table}) holds {first['keys_']:,} keys more than once: {'; '.join(named)}"


def duplicates(contract: Contract, source: Source, *, among: bool = False) -> Query:
    """The keys of a source that are there more than once, with their copies and how many such keys there are."""
    columns = version_columns(contract, source)
    quoted = ", ".join(f"s.`{column}`" for column in columns)
    conditions = [
        f"s.`{key_of(contract, source)}` IS NOT NULL",
        *([f"({source.where})"] if source.where and source.kind != "history" else []),
    ]
    conditions += [f"s.`{key_of(contract, source)}` IN UNNEST(@crds)"] if among else []
    text = (
        f"SELECT\n  {quoted},\n  COUNT(*) AS copies_,\n  COUNT(*) OVER () AS keys_\n"
        f"FROM {table_name(source.table or contract.lead.table)} AS s\nWHERE " + "\n  AND ".join(conditions) + "\n"
        f"GROUP BY {quoted}\nHAVING COUNT(*) > 1\nORDER BY copies_ DESC, {quoted}\nLIMIT {NAMED}\n"
    )
    return Query(f"duplicates_{contract.name}", text, {"crds": "ARRAY<INT64>"} if among else {})
