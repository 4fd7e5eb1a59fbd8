"""Plain files as typed tables, by what a contract says: one file of leads, or a directory with one file per table."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.compile import table_name
from shared.asof.contract import Contract, column_name
from shared.clock import SystemClock
from shared.errors import DataError
from shared.ingest.declared import intakes
from shared.ingest.load import load_file
from shared.ingest.read import KINDS, read_extract
from shared.ingest.typed import Delivery
from shared.lead import lead_id
from shared.log import log
from shared.ports import Query

_TYPES = {"float": "DOUBLE", "bool": "BOOLEAN", "category": "VARCHAR", "text": "VARCHAR"}

Ids = list[tuple[str, str]]


def load_files(warehouse: DuckDBWarehouse, contract: Contract, data: Path) -> Ids:
    """Fill every table the contract reads from `data`; returns (lead id, key in the file) of each lead.

    A table of infra/tables is ingested by its own rules, another is typed by the contract. DataError names what is
    absent or does not fit.
    """
    ids: Ids = []
    for name, path in _files(contract, data):
        if name in intakes():
            report = load_file(warehouse, name, path, Delivery(None, None, SystemClock().now()), lambda _: None)
            counts = {"read": report.read, "loaded": report.loaded, "quarantined": report.quarantined, "cells": report.cells}
            log.info("file_loaded", file=path.name, table=name, **counts)
        else:
            rows, keys = read_typed(contract, name, path)
            warehouse.load_arrow(name, rows)
            ids = keys or ids
    return ids or _declared_ids(warehouse, contract)


def read_typed(contract: Contract, name: str, data: Path) -> tuple[pa.Table, Ids]:
    """The rows of one file in the types the contract needs; columns it does not name stay text.

    Leads get a Salesforce id made from their row number, since the sandbox's org is where they live; only they have ids.
    """
    extract = read_extract(data)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lines = pa.array(range(extract.first_row, extract.first_row + extract.texts.num_rows))
        connection.register("raw", extract.texts.append_column("line_", lines))
        columns = {column_name(header): header for header in extract.texts.column_names}
        types = _types(contract, name)
        _refuse_absent(data, types, columns)
        missing = [*contract.missing, ""]
        for column, kind in types.items():
            _refuse_misfits(connection, data, columns[column], kind, missing)
        leads = name == _full(contract.lead.table)
        keys = _keys(connection, data, columns[contract.lead.key], extract.first_row) if leads else []
        items = [_item(column, header, types.get(column, "VARCHAR")) for column, header in columns.items()]
        table = connection.sql(f"SELECT {', '.join(items)} FROM raw ORDER BY line_", params={"missing": missing}).to_arrow_table()
    if not leads:
        return table, []
    position = table.column_names.index(contract.lead.key)
    return table.set_column(position, contract.lead.key, pa.array([lead for lead, _ in keys])), keys


def _files(contract: Contract, data: Path) -> Iterator[tuple[str, Path]]:
    tables = dict.fromkeys([_full(contract.lead.table), *(_full(s.table) for s in contract.sources.values() if s.table)])
    if not data.is_dir():
        if len(tables) > 1:
            raise DataError(
                f"Contract {contract.name} reads {len(tables)} tables, and {data} is one file.",
                fix=f"Give a directory with {', '.join(f'{name}.csv' for name in tables)}.",
            )
        yield next(iter(tables)), data
        return
    there = {_full(path.stem): path for path in sorted(data.iterdir()) if path.suffix.lower() in KINDS}
    absent = [name for name in tables if name not in there]
    if absent:
        raise DataError(
            f"{data} has no file of {', '.join(absent)}; it has {', '.join(there) or 'none'}.", fix="Name each file after its table."
        )
    yield from ((name, there[name]) for name in tables)


def _full(table: str) -> str:
    return table_name(table).strip("`")


def _declared_ids(warehouse: DuckDBWarehouse, contract: Contract) -> Ids:
    rows = warehouse.query(
        Query("lead_ids", f"SELECT DISTINCT s.`{contract.lead.key}` AS id FROM {table_name(contract.lead.table)} AS s ORDER BY 1")
    )
    return [(lead_id(str(row["id"])), str(row["id"])) for row in rows]


def _types(contract: Contract, name: str) -> dict[str, str]:
    lead = contract.lead
    own = {alias: source for alias, source in contract.sources.items() if _full(source.table or lead.table) == name}
    types = {f.column: _TYPES[f.dtype] for f in contract.features if f.column and f.source in own}
    types |= {source.key: "BIGINT" if source.on == "crd" else "VARCHAR" for source in own.values() if source.key}
    instants = [column for source in own.values() for column in (source.known_at, source.event_time)]
    if name == _full(lead.table):
        types |= {column: "VARCHAR" for column in (lead.key, lead.outcome.column) if column}
        types |= {lead.crd: "BIGINT"} if lead.crd else {}
        instants += [lead.contacted_at, lead.known_at, lead.outcome.event_at]
    return types | {column: "TIMESTAMPTZ" for column in instants if column}


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


def _keys(connection: duckdb.DuckDBPyConnection, data: Path, header: str, first_row: int) -> Ids:
    repeated = connection.execute(
        f'SELECT "{header}", list(line_ ORDER BY line_) FROM raw GROUP BY 1 HAVING count(*) > 1 ORDER BY min(line_) LIMIT 3'
    ).fetchall()
    if repeated:
        examples = "; ".join(f"{key!r} on lines {', '.join(map(str, lines))}" for key, lines in repeated)
        raise DataError(f"{data}: the key {header} repeats: {examples}.", fix="Keep one row a lead, or name another key.")
    rows = connection.execute(f'SELECT line_, "{header}" FROM raw ORDER BY line_').fetchall()
    return [(lead_id(f"00Q5e{line - first_row:010d}"), str(key)) for line, key in rows]


def _item(name: str, header: str, kind: str) -> str:
    value = f'CASE WHEN NOT list_contains($missing, trim("{header}")) THEN "{header}" END'
    return f'TRY_CAST({value} AS {kind}) AS "{name}"' if kind != "VARCHAR" else f"""NULLIF("{header}", '') AS "{name}\""""
