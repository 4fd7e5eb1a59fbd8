"""The warehouse on Google Cloud."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as google
from google.cloud import bigquery

from shared.errors import DataError, WarehouseUnavailable
from shared.ports import ParamType, Query, Rows
from shared.tables import table

if TYPE_CHECKING:
    import pyarrow as pa

_TIMEOUT_SECONDS = 60
_LOAD_SECONDS = 600
_ROWS_PER_MERGE = 500


class BigQueryWarehouse:
    """`dataset_prefix` is put before every dataset, so that several environments can share a project."""

    def __init__(self, client: bigquery.Client, dataset_prefix: str = "") -> None:
        self._client = client
        self._prefix = dataset_prefix

    def query(self, query: Query, **params: object) -> Rows:
        with _our_errors(query.name):
            rows = self._run(query, params)
            return Rows(tuple(field.name for field in rows.schema), [tuple(row.values()) for row in rows])

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        with _our_errors(query.name):
            found = self._run(query, params, page_size=size)
            columns = tuple(field.name for field in found.schema)
            for page in found.pages:
                values = [tuple(row.values()) for row in page]
                if values:
                    yield Rows(columns, values)

    def arrow(self, query: Query, **params: object) -> "pa.Table":
        with _our_errors(query.name):
            return self._run(query, params).to_arrow(create_bqstorage_client=False)

    def append(self, table_name: str, rows: Sequence[object]) -> int:
        declared = table(table_name)
        columns = list(declared.columns)
        same = " AND ".join(f"old.{column} = new.{column}" for column in declared.key)
        text = (
            f"MERGE `{table_name}` AS old USING (SELECT {', '.join(f'row_.{c}' for c in columns)} FROM UNNEST(@rows) AS row_) AS new"
            f" ON {same} WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({', '.join(f'new.{c}' for c in columns)})"
        )
        query = Query(f"append {table_name}", text, {"rows": declared.columns})
        dicts = [{column: getattr(row, column) for column in columns} for row in rows]
        pages = (dicts[i : i + _ROWS_PER_MERGE] for i in range(0, len(dicts), _ROWS_PER_MERGE))
        return sum(self._merge(query, page) for page in pages)

    def insert(self, table_name: str, rows: "pa.Table") -> None:
        import pyarrow.parquet  # noqa: PLC0415 - loading is the job's, and pyarrow is not in the functions

        file = io.BytesIO()
        pyarrow.parquet.write_table(rows, file)
        config = bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_APPEND")
        target = f"{self._client.project}.{self._prefix}{table_name}"
        with _our_errors(f"load {table_name}"):
            self._client.load_table_from_file(file, target, rewind=True, job_config=config).result(timeout=_LOAD_SECONDS)

    def columns(self, table_name: str) -> Mapping[str, str]:
        try:
            found = self._client.get_table(f"{self._client.project}.{self._prefix}{table_name}", timeout=_TIMEOUT_SECONDS)
        except google.NotFound:
            raise DataError(f"There is no table {table_name}.", fix="Load it first, or correct the contract.") from None
        except google.GoogleAPIError as fault:
            raise WarehouseUnavailable(f"BigQuery: {fault}", fix="Check the dataset and the reader role on it.") from fault
        return {field.name: field.field_type for field in found.schema}

    def _merge(self, query: Query, rows: list[dict[str, object]]) -> int:
        with _our_errors(query.name):
            return int(self._run(query, {"rows": rows}).num_dml_affected_rows or 0)

    def _run(self, query: Query, params: Mapping[str, object], page_size: int | None = None) -> "bigquery.table.RowIterator":
        config = bigquery.QueryJobConfig(query_parameters=[_parameter(name, query.params[name], value) for name, value in params.items()])
        text = re.sub(r"`(?=\w+\.)", f"`{self._prefix}", query.sql)
        return self._client.query_and_wait(text, job_config=config, wait_timeout=_TIMEOUT_SECONDS, page_size=page_size)


def _parameter(name: str, kind: ParamType, value: Any) -> "bigquery.query._AbstractQueryParameter":
    if not isinstance(kind, str):
        return bigquery.ArrayQueryParameter(name, _struct_type(kind), [_struct(kind, row) for row in value])
    if kind.startswith("ARRAY<"):
        return bigquery.ArrayQueryParameter(name, kind.removeprefix("ARRAY<").removesuffix(">"), value)
    return bigquery.ScalarQueryParameter(name, kind, value)


def _struct(kinds: Mapping[str, str], row: Mapping[str, Any]) -> bigquery.StructQueryParameter:
    return bigquery.StructQueryParameter(None, *(bigquery.ScalarQueryParameter(n, kind, row[n]) for n, kind in kinds.items()))


def _struct_type(kinds: Mapping[str, str]) -> bigquery.StructQueryParameterType:
    types = (bigquery.ScalarQueryParameterType(kind, name=name) for name, kind in kinds.items())  # type: ignore[no-untyped-call]
    return bigquery.StructQueryParameterType(*types)  # type: ignore[no-untyped-call]


@contextmanager
def _our_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (google.BadRequest, google.NotFound) as fault:
        raise DataError(f"BigQuery refused {what}: {fault.message}", fix="Check the contract against the table's columns.") from fault
    except (google.GoogleAPIError, TimeoutError, OSError) as fault:
        raise WarehouseUnavailable(f"BigQuery: {fault}", fix="Retried by itself; check quota and the service account.") from fault
