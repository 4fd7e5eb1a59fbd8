"""The warehouse on a laptop: the repository's GoogleSQL on DuckDB, transpiled by sqlglot once and kept."""

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from shared.adapters.lease import Lease, connect
from shared.errors import DataError, WarehouseUnavailable
from shared.ports import ParamType, Query, Rows
from shared.tables import all_tables, table

if TYPE_CHECKING:
    import pyarrow as pa

_TRANSLATOR = Path(__file__).read_bytes() + version("sqlglot").encode()
"""What a kept translation depends on besides the text."""

TYPES = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMPTZ",
}
"""GoogleSQL's types in DuckDB's words."""


class DuckDBWarehouse:
    """One file, shared by the threads of a process. Declared tables are made where they are absent.

    DuckDB lets one process write at a time. With `idle_seconds` the file is let go after so long without work (0: after
    each), and waited for when another process has it: so a command line works beside running functions.
    """

    def __init__(self, path: Path, *, threads: int = 1, idle_seconds: float | None = None) -> None:
        self._path = path
        self._threads = threads
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _our_errors():
            self._lease = Lease(self._open, idle_seconds)

    def query(self, query: Query, **params: object) -> Rows:
        with self._cursor() as cursor:
            result = cursor.execute(self._translate(query), params)
            return Rows(tuple(column[0] for column in result.description or ()), result.fetchall())

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        with self._cursor() as cursor:
            result = cursor.execute(self._translate(query), params)
            columns = tuple(column[0] for column in result.description or ())
            while values := result.fetchmany(size):
                yield Rows(columns, values)

    def arrow(self, query: Query, **params: object) -> "pa.Table":
        with self._cursor() as cursor:
            return cursor.sql(self._translate(query), params=params).to_arrow_table()

    def append(self, table_name: str, rows: Sequence[object]) -> int:
        if not rows:
            return 0
        declared = table(table_name)
        columns = {column: [getattr(row, column) for row in rows] for column in declared.columns}
        new = ", ".join(f"unnest(${column}::{TYPES[kind]}[]) AS {column}" for column, kind in declared.columns.items())
        same = " AND ".join(f"old.{column} = new.{column}" for column in declared.key)
        text = (
            f"INSERT INTO {table_name} SELECT * FROM (SELECT {new}) AS new"
            f" WHERE NOT EXISTS (SELECT 1 FROM {table_name} AS old WHERE {same})"
        )
        with self._writing, self._cursor() as cursor:
            inserted = cursor.execute(text, columns).fetchone()
        return int(inserted[0]) if inserted else 0

    def columns(self, table_name: str) -> Mapping[str, str]:
        dataset, _, name = table_name.partition(".")
        with self._cursor() as cursor:
            found = cursor.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?", [dataset, name]
            ).fetchall()
        if not found:
            raise DataError(f"There is no table {table_name}.", fix="Load it first, or correct the contract.")
        return dict(found)

    def insert(self, table_name: str, rows: "pa.Table") -> None:
        columns = ", ".join(table(table_name).columns)
        with self._writing, self._cursor() as cursor:
            cursor.register("incoming", rows)
            cursor.execute(f"INSERT INTO {table_name} ({columns}) SELECT {columns} FROM incoming")

    def load_arrow(self, table_name: str, data: "pa.Table") -> None:
        """Make `data` the rows of a table: by column name where it is declared, as it comes where it is not."""
        declared = next((each for each in all_tables() if each.name == table_name), None)
        with self._writing, self._cursor() as cursor:
            cursor.register("incoming", data)
            if declared is None:
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {table_name.partition('.')[0]}")
                cursor.execute(f"CREATE OR REPLACE TABLE {table_name} AS SELECT * FROM incoming")
            else:
                cursor.execute(f"DELETE FROM {table_name}")
                cursor.execute(f"INSERT INTO {table_name} SELECT {', '.join(declared.columns)} FROM incoming")

    def close(self) -> None:
        self._lease.close()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self._path.exists():
            raise WarehouseUnavailable(f"The warehouse file {self._path} is gone.", fix="Start again: make demo or make serve.")
        with _our_errors():
            connection = self._lease.take()
            try:
                with connection.cursor() as cursor:
                    yield cursor
            finally:
                self._lease.give_back()

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = self._lease.take()
        self._lease.give_back()
        return connection

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = connect(self._path, self._threads)
        # The compiler already joins in a good order, and searching for a better one is half the time of a single ask.
        # Inlined, what an early source found would be computed anew for every later one that joins on it: 4 times the time.
        connection.execute("SET TimeZone = 'UTC'; SET GLOBAL disabled_optimizers = 'join_order,cte_inlining'")
        for declared in all_tables():
            columns = ", ".join(f"{name} {TYPES[kind]}" for name, kind in declared.columns.items())
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {declared.name.partition('.')[0]}")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {declared.name} ({columns})")
        return connection

    def _translate(self, query: Query) -> str:
        key = hashlib.sha256(_TRANSLATOR + query.sql.encode()).hexdigest()[:24]
        kept = self._path.parent / "transpiled" / f"{key}.sql"
        return _typed(_transpiled(query.sql, kept), tuple((name, _duckdb_type(kind)) for name, kind in query.params.items()))


@lru_cache(maxsize=256)
def _transpiled(text: str, kept: Path) -> str:
    with suppress(FileNotFoundError):
        return kept.read_text()
    translated = googlesql_to_duckdb(text)
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    draft.write_text(translated)
    draft.replace(kept)
    return translated


def googlesql_to_duckdb(text: str) -> str:
    """Sqlglot's translation, with the one function it carries over in another meaning put right."""
    import sqlglot  # noqa: PLC0415 - 0.3 s, and needed only for a text never seen before
    from sqlglot import exp  # noqa: PLC0415

    def count_if_of_nothing_is_zero(node: exp.Expression) -> exp.Expression:
        return exp.Count(this=exp.Case().when(node.this, "1")) if isinstance(node, exp.CountIf) else node

    tree = sqlglot.parse_one(text, dialect="bigquery")
    return tree.transform(count_if_of_nothing_is_zero).sql(dialect="duckdb", pretty=True)


@lru_cache(maxsize=256)
def _typed(text: str, params: tuple[tuple[str, str], ...]) -> str:
    for name, kind in params:
        text = re.sub(rf"\${name}\b", f"CAST(${name} AS {kind})", text)
    return text


def _duckdb_type(declared: ParamType) -> str:
    if isinstance(declared, str):
        inner = declared.removeprefix("ARRAY<").removesuffix(">")
        return TYPES[inner] + ("[]" if inner != declared else "")
    return f"STRUCT({', '.join(f'{name} {TYPES[kind]}' for name, kind in declared.items())})[]"


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ConversionException) as fault:
        raise DataError(f"The query does not fit the data: {fault}", fix="Check the contract against the table's columns.") from fault
    except duckdb.Error as fault:
        raise WarehouseUnavailable(f"DuckDB: {fault}", fix="See whether another process holds the world; then try again.") from fault
