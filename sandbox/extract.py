"""A CSV of leads as a typed table, by what its contract says; a value that does not fit is named by its line."""

from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa

from shared.asof.compile import used_sources
from shared.asof.contract import Contract, Feature, column_name
from shared.errors import DataError
from shared.lead import lead_id

_TYPES = {"float": "DOUBLE", "bool": "BOOLEAN", "category": "VARCHAR"}
_FIRST_LINE = 2


def read_csv(contract: Contract, data: Path, scoring: Collection[Feature] | None = None) -> tuple[pa.Table, list[tuple[str, str]]]:
    """The rows of `data` in the types its contract needs, and (lead id, key in the file) of each.

    Leads get a Salesforce id made from their row number, since the sandbox's org is where they live. Columns the
    contract does not name stay text. To score with some features, the file needs only what these are computed from, and no
    outcome. DataError names what is absent, misfits with their lines, and repeated keys.
    """
    if not data.is_file():
        raise DataError(f"There is no file {data}.", fix="Check DATA=; the path is relative to where you call make.")
    with duckdb.connect() as connection:
        columns = _read(connection, data)
        types = _types(contract)
        if scoring is not None:
            needed = _needed(contract, scoring)
            types = {name: kind for name, kind in types.items() if name in columns or name in needed}
        _refuse_absent(data, types, columns)
        missing = [*contract.missing, ""]
        for name, kind in types.items():
            _refuse_misfits(connection, data, columns[name], kind, missing)
        keys = _keys(connection, data, columns[contract.lead.key])
        items = [_item(name, header, types.get(name, "VARCHAR")) for name, header in columns.items()]
        table = connection.sql(f"SELECT {', '.join(items)} FROM raw ORDER BY line_", params={"missing": missing}).to_arrow_table()
    position = table.column_names.index(contract.lead.key)
    return table.set_column(position, contract.lead.key, pa.array([lead for lead, _ in keys])), keys


def _read(connection: duckdb.DuckDBPyConnection, data: Path) -> dict[str, str]:
    try:
        connection.execute(
            "CREATE TABLE raw AS SELECT * FROM read_csv($path, header = true, all_varchar = true, parallel = false)", {"path": str(data)}
        )
    except duckdb.Error as fault:
        raise DataError(f"{data} cannot be read as CSV: {str(fault).splitlines()[0]}", fix="Save it with one header line.") from fault
    headers = [row[0] for row in connection.execute("DESCRIBE raw").fetchall()]
    connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT row_number() OVER () + {_FIRST_LINE - 1} AS line_, * FROM raw")
    return {column_name(header): header for header in headers}


def _types(contract: Contract) -> dict[str, str]:
    lead = contract.lead
    instants = [lead.contacted_at, lead.known_at, lead.outcome.event_at]
    own = [source for source in contract.sources.values() if source.table in {None, lead.table}]
    instants += [column for source in own for column in (source.known_at, source.event_time)]
    types = {f.column: _TYPES[f.dtype] for f in contract.features if f.column and f.source != "features"}
    types |= {name: "VARCHAR" for name in (lead.key, lead.outcome.column) if name}
    types |= {lead.crd: "BIGINT"} if lead.crd else {}
    return types | {name: "TIMESTAMPTZ" for name in instants if name}


def _needed(contract: Contract, features: Collection[Feature]) -> set[str | None]:
    """The columns a file must have for leads to be scored by these features."""
    lead, computed = contract.lead, contract.closure(features)
    own = [source for source in used_sources(contract, computed).values() if source.table in {None, lead.table}]
    clocks = {column for source in own for column in (source.known_at, source.event_time)}
    return {lead.key, lead.crd, lead.contacted_at, *clocks, *(feature.column for feature in computed)}


def _refuse_absent(data: Path, types: dict[str, str], columns: dict[str, str]) -> None:
    absent = [name for name in types if name not in columns]
    if absent:
        raise DataError(
            f"{data} has no column {', '.join(absent)}; it has {', '.join(columns)}.",
            fix="Correct the contract's columns, or export the file with them.",
        )


def _refuse_misfits(connection: duckdb.DuckDBPyConnection, data: Path, header: str, kind: str, missing: list[str]) -> None:
    bad = connection.execute(
        f'SELECT line_, "{header}", count(*) OVER () FROM raw WHERE NOT list_contains($missing, trim("{header}")) '
        f'AND "{header}" IS NOT NULL AND TRY_CAST("{header}" AS {kind}) IS NULL ORDER BY line_ LIMIT 3',
        {"missing": missing},
    ).fetchall()
    if bad:
        examples = ", ".join(f"line {line}: {value!r}" for line, value, _ in bad)
        raise DataError(
            f"{data}: column {header} should hold {kind.lower()} values, but {bad[0][2]} do not ({examples}).",
            fix="Correct the lines, or list the word under `missing` in the contract.",
        )


def _keys(connection: duckdb.DuckDBPyConnection, data: Path, header: str) -> list[tuple[str, str]]:
    repeated = connection.execute(
        f'SELECT "{header}", list(line_) FROM raw GROUP BY 1 HAVING count(*) > 1 ORDER BY min(line_) LIMIT 3'
    ).fetchall()
    if repeated:
        examples = "; ".join(f"{key!r} on lines {', '.join(map(str, lines))}" for key, lines in repeated)
        raise DataError(f"{data}: the key {header} repeats: {examples}.", fix="Keep one row a lead, or name another key.")
    rows = connection.execute(f'SELECT line_, "{header}" FROM raw ORDER BY line_').fetchall()
    return [(lead_id(f"00Q5e{line - _FIRST_LINE:010d}"), str(key)) for line, key in rows]


def _item(name: str, header: str, kind: str) -> str:
    value = f'CASE WHEN NOT list_contains($missing, trim("{header}")) THEN "{header}" END'
    return f'TRY_CAST({value} AS {kind}) AS "{name}"' if kind != "VARCHAR" else f'"{header}" AS "{name}"'
