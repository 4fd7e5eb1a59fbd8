"""Rows of one file with the same key: found, explained, and resolved by the declared rule or refused. Never DISTINCT."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import DataError
from shared.ingest.coerce import Cell
from shared.ingest.declared import Intake
from shared.ingest.read import Extract
from shared.ingest.typed import NAMED, Typed
from shared.ports import Query, Warehouse

Row = dict[str, object]


def resolve(typed: Typed, extract: Extract, intake: Intake, warehouse: Warehouse) -> Typed:
    """The rows with one per key; those given up are put aside, each naming the row kept. DataError where no rule decides."""
    groups = _groups(typed.rows, intake)
    if not groups:
        return typed
    if intake.rules.duplicates is None:
        raise DataError(
            explain(groups, extract, intake, warehouse), fix=f"Deliver one row a key, or declare ingest.duplicates in {_file(intake)}."
        )
    order = intake.rules.duplicates.highest
    ranked = [sorted(group, key=lambda row: tuple(_rank(row[name]) for name in order), reverse=True) for group in groups]
    tied = [group for group in ranked if _tied(group, order)]
    if tied:
        said = f"{explain(tied, extract, intake, warehouse)} {', '.join(order)} does not decide between them."
        raise DataError(said, fix=f"Add a column to ingest.duplicates.highest in {_file(intake)} that does.")
    return typed.without([_given_up(row, group[0], extract, order) for group in ranked for row in group[1:]])


def explain(groups: Sequence[list[Row]], extract: Extract, intake: Intake, warehouse: Warehouse) -> str:
    """Which keys, in which rows, which columns differ in how many of them, and how many leads a join would multiply."""
    differing = Counter(name for group in groups for name in group[0] if name != "row_" and len({str(row[name]) for row in group}) > 1)
    alike = sum(all(len({str(row[name]) for row in group}) == 1 for name in group[0] if name != "row_") for group in groups)
    surplus = sum(len(group) - 1 for group in groups)
    named = "; ".join(
        f"{', '.join(f'{key} {group[0][key]}' for key in intake.table.key)} in rows {', '.join(str(_place(row, extract)) for row in group)}"
        for group in sorted(groups, key=len, reverse=True)[:NAMED]
    )
    columns = ", ".join(f"{name} in {count:,}" for name, count in differing.most_common(6)) or "no column"
    return (
        f"{extract.path}: {len(groups):,} keys of {intake.table.name} come more than once, {surplus:,} rows too many ({named}). "
        f"They differ by {columns}; {alike:,} are alike in every column.{_leads(groups, warehouse)}"
    )


def _groups(rows: pa.Table, intake: Intake) -> list[list[Row]]:
    key = list(intake.table.key)
    counted = rows.group_by(key).aggregate([("row_", "count")])
    repeated = counted.filter(pc.greater(counted.column("row__count"), 1)).select(key)
    if not repeated.num_rows:
        return []
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows.join(repeated, keys=key, join_type="left semi").to_pylist():
        groups.setdefault(tuple(row[name] for name in key), []).append(row)
    return [sorted(group, key=lambda row: int(str(row["row_"]))) for group in groups.values()]


def _tied(group: Sequence[Row], order: Sequence[str]) -> bool:
    best = [row for row in group if all(row[name] == group[0][name] for name in order)]
    return any({**row, "row_": 0} != {**best[0], "row_": 0} for row in best[1:])


def _rank(value: object) -> tuple[bool, object]:
    return (value is not None, value if value is not None else 0)


def _given_up(row: Row, kept: Row, extract: Extract, order: Sequence[str]) -> Cell:
    alike = {**row, "row_": 0} == {**kept, "row_": 0}
    why = "alike in every column" if alike else f"lower by {', '.join(order)}"
    return Cell(int(str(row["row_"])), "", "", f"same key as row {_place(kept, extract)}, which is kept; this one is {why}")


def _leads(groups: Sequence[list[Row]], warehouse: Warehouse) -> str:
    crds = sorted({int(str(group[0]["rep_crd"])) for group in groups if "rep_crd" in group[0]})
    if not crds:
        return ""
    text = "SELECT COUNT(DISTINCT lead_id) AS leads FROM `crm.lead_snapshots` WHERE fa_crd IN UNNEST(@crds)"
    ((leads,),) = warehouse.query(Query("leads_of_duplicates", text, {"crds": "ARRAY<INT64>"}), crds=crds).values
    return f" A join would multiply {leads} leads."


def _place(row: Row, extract: Extract) -> int:
    return int(str(row["row_"])) + extract.first_row


def _file(intake: Intake) -> str:
    return f"infra/tables/{intake.table.name}.json"
