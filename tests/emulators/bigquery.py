"""Starts local-bigquery, in its own environment (make emulators), without what it would download.

It asks DuckDB for the extensions ducklake and spatial; tables kept in plain DuckDB files, and no geography functions,
are all that the warehouse's wire tests need.
"""

import types
from typing import Any

import duckdb
from local_bigquery.cli import main
from local_bigquery.engine import database


class _Connection:
    """A DuckDB connection in UTC that passes over ducklake's settings."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def execute(self, text: str, *arguments: Any) -> Any:
        return self if text.startswith("SET ducklake") else self._real.execute(text, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _connect(*arguments: Any, config: object = None, **options: Any) -> _Connection:
    real = duckdb.connect(*arguments, **options)
    real.execute("SET TimeZone = 'UTC'")
    return _Connection(real)


def _attach(connection: Any, project_id: str) -> None:
    path = database.settings.data_dir / f"{project_id}.duckdb"
    connection.execute(f"ATTACH IF NOT EXISTS '{path}' AS {database.quote(project_id)}")
    database._attached.add(project_id)


def start() -> None:
    patched = types.ModuleType("duckdb")
    patched.__dict__.update(duckdb.__dict__, connect=_connect)
    database.duckdb = patched
    database._attach = _attach
    database.FUNCTIONS = [path for path in database.FUNCTIONS if path.stem != "geography"]
    main()


if __name__ == "__main__":
    start()
