"""The tables against infra/tables/*.json, and the champion's contract against what is there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from ops.contracts.check import faults
from ops.doctor.check import Line, green, red, unchecked
from ops.doctor.declared import VIEWS
from ops.doctor.place import Place
from shared.adapters.duckdb import TYPES
from shared.errors import CorruptArtifact, DataError
from shared.model.registry import Registry
from shared.ports import BulkWarehouse
from shared.tables import Table, all_tables

_GOOGLESQL = {
    "VARCHAR": "STRING", "BIGINT": "INT64", "INTEGER": "INT64", "DOUBLE": "FLOAT64", "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}  # fmt: skip
"""DuckDB's names of types, and those of BigQuery's API, in the words of the contract."""

Live = Callable[[str], Mapping[str, str]]


def live(warehouse: Callable[[], BulkWarehouse]) -> Live:
    """A table's columns and GoogleSQL types as they are now, asked once. DataError where there is no such table."""
    return cache(lambda table: {name: _GOOGLESQL.get(kind, kind) for name, kind in warehouse().columns(table).items()})


def datasets() -> list[str]:
    return sorted({table.name.partition(".")[0] for table in all_tables()})


def tables(columns_of: Live, of: Iterable[str], place: Place) -> Iterator[Line]:
    """The tables `of` these datasets."""
    for dataset in of:
        declared = [table for table in all_tables() if table.name.startswith(f"{dataset}.")]
        wrong = [line for table in declared for line in _table(columns_of, table, place)]
        wrong += [line for view in _views(dataset, place) for line in _view(columns_of, view, place)]
        yield from wrong or [green(f"tables of {dataset}", f"{len(declared)} as infra/tables declares them")]


def _views(dataset: str, place: Place) -> list[str]:
    """A laptop has none: people ask them, the functions do not."""
    return [path.stem for path in sorted(VIEWS.glob(f"{dataset}.*.sql"))] if place.cloud else []


def _view(columns_of: Live, view: str, place: Place) -> Iterator[Line]:
    try:
        columns_of(view)
    except DataError:
        yield red(f"view {view}", "is not there", place.apply)


def _table(columns_of: Live, table: Table, place: Place) -> Iterator[Line]:
    try:
        found = columns_of(table.name)
    except DataError:
        yield red(f"table {table.name}", "is not there", place.apply)
        return
    for column, kind in table.columns.items():
        name = f"column {table.name}.{column}"
        if column not in found:
            yield red(name, f"is not there; it is declared as {kind}", _add(table, column, kind, place))
        elif found[column] != kind:
            yield red(name, f"is {found[column]}, declared as {kind}", _retype(table, column, kind, place))


def _add(table: Table, column: str, kind: str, place: Place) -> str:
    if place.cloud:
        return place.sql(f"ALTER TABLE `{place.settings.dataset_prefix}{table.name}` ADD COLUMN {column} {kind}")
    return place.sql(f"ALTER TABLE {table.name} ADD COLUMN {column} {TYPES[kind]}")


def _retype(table: Table, column: str, kind: str, place: Place) -> str:
    """BigQuery widens a type at most, so there the table is set aside, made anew, and filled from what was."""
    if not place.cloud:
        return place.sql(f"ALTER TABLE {table.name} ALTER {column} TYPE {TYPES[kind]}")
    full = f"{place.settings.dataset_prefix}{table.name}"
    aside = place.sql(f"ALTER TABLE `{full}` RENAME TO {table.name.partition('.')[2]}_before")
    return f"{aside}, then {place.apply}, then copy its rows back"


def contract(registry: Registry, columns_of: Live, place: Place) -> Iterator[Line]:
    """Whether the tables still hold every column and formula that the champion's features are made of."""
    pointer = registry.pointer("champion")
    if pointer is None:
        yield unchecked("contract of the champion", "there is no champion yet")
        return
    try:
        contract = registry.load(pointer.version).contract
    except CorruptArtifact:
        yield unchecked("contract of the champion", f"{pointer.version} cannot be read")
        return
    wrong = faults(contract, lambda table: _columns(columns_of, table))
    for fault in wrong:
        at = ".".join(map(str, fault.key))
        yield red(f"contract {contract.name}", f"{at}: {fault.text}", f"Mend the table, or go back: {place.command('models rollback')}")
    tables = sorted({source.table or contract.lead.table for source in contract.sources.values()})
    absent = [table for table in tables if not _columns(columns_of, table)]
    for table in absent:
        load = place.apply if place.cloud else place.command(f"ingest {table} FILES")
        yield red(f"contract {contract.name}", f"reads {table}, which is not there", load)
    if not wrong and not absent:
        yield green(f"contract {contract.name}", f"{len(contract.computed)} features stand on columns of {', '.join(tables)}")


def _columns(columns_of: Live, table: str) -> Mapping[str, str]:
    try:
        return columns_of(table)
    except DataError:
        return {}
