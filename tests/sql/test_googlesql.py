"""Every query is GoogleSQL, analysed by Google's own analyser, and means on DuckDB what it means on BigQuery.

DuckDB accepts functions BigQuery lacks and gives some of them another meaning, so each SQL function the repository
uses is pinned here against zetasql's reference evaluator.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import pytest
from zetasql.api import Analyzer, CatalogBuilder, PreparedQueryBuilder, TableBuilder, TypeFactory
from zetasql.types import AnalyzerOptions, LanguageOptions, ProductMode, TypeKind, ZetaSQLBuiltinFunctionOptions

from shared import sql
from shared.adapters.duckdb import googlesql_to_duckdb
from shared.asof.cardinality import duplicates
from shared.asof.compile import served
from shared.asof.contract import load_contract
from shared.asof.label_report import reopened
from shared.asof.labels import labels, open_leads, scored_leads
from shared.asof.prospects import prospects
from shared.asof.seen import seen
from shared.config import ROOT
from shared.ports import ParamType, Query
from shared.sql import FOLDER
from shared.tables import all_tables
from tests.conftest import CONTRACTS
from training_job.dataset import _mature_vectors
from training_job.parity import replay_query

KINDS = {
    "STRING": TypeKind.TYPE_STRING,
    "INT64": TypeKind.TYPE_INT64,
    "FLOAT64": TypeKind.TYPE_DOUBLE,
    "BOOL": TypeKind.TYPE_BOOL,
    "DATE": TypeKind.TYPE_DATE,
    "TIMESTAMP": TypeKind.TYPE_TIMESTAMP,
}


@cache
def _language() -> LanguageOptions:
    options = LanguageOptions.maximum_features()
    options.product_mode = ProductMode.PRODUCT_EXTERNAL
    options.reserved_keywords.append("QUALIFY")  # as BigQuery reserves it
    return options


@cache
def _catalog() -> Any:
    """The declared tables, and the bank's calls as its contract needs them, each as one backticked name."""
    builder = CatalogBuilder("warehouse")
    tables = {table.name: table.columns for table in all_tables()}
    tables["crm.calls"] = _columns_of_calls()
    for name, columns in tables.items():
        table = TableBuilder(name)
        for column, kind in columns.items():
            table = table.add_column(column, KINDS[kind])
        builder = builder.add_table(table.build())
    return builder.with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=_language())).build()


def _columns_of_calls() -> dict[str, str]:
    contract = load_contract(CONTRACTS / "bank_marketing.yaml")
    features = {f.column: {"float": "FLOAT64", "category": "STRING", "bool": "BOOL"}[f.dtype] for f in contract.features if f.column}
    return {"row": "STRING", "contact_date": "DATE", "y": "STRING", **features}


def _type(declared: ParamType) -> Any:
    if not isinstance(declared, str):
        fields = [(name, TypeFactory.create_simple_type(KINDS[kind])) for name, kind in declared.items()]
        return TypeFactory.create_array_type(TypeFactory.create_struct_type(fields))
    inner = TypeFactory.create_simple_type(KINDS[declared.removeprefix("ARRAY<").removesuffix(">")])
    return TypeFactory.create_array_type(inner) if declared.startswith("ARRAY<") else inner


def _options(params: Any = ()) -> AnalyzerOptions:
    declared = [AnalyzerOptions.QueryParameter(name=name, type=_type(kind)) for name, kind in dict(params).items()]
    return AnalyzerOptions(language_options=_language(), query_parameters=declared, default_timezone="UTC")


def _queries() -> Iterator[Query]:
    yield from (sql.load(path.parent.name) for path in sorted(FOLDER.glob("*/query.sql")))
    for path in sorted((ROOT / "infra").glob("[vr]*s/*.sql")):
        yield Query(path.stem, path.read_text().replace("<= moment", "<= @moment"), {"moment": "TIMESTAMP"})
    for path in sorted(CONTRACTS.glob("*.yaml")):
        contract = load_contract(path)
        yield from (
            served(contract),
            labels(contract),
            open_leads(contract),
            scored_leads(contract),
            seen(contract),
            _mature_vectors(contract),
            replay_query(contract),
        )
        yield from (replace(duplicates(contract, source), name=f"duplicates_{name}") for name, source in contract.sources.items())
    advisor = load_contract(CONTRACTS / "advisor.yaml")
    yield prospects(advisor)
    first = advisor.model_copy(update={"lead": advisor.lead.model_copy(update={"reopened": "first"})})
    yield replace(labels(first), name="labels_at_the_first_contact")
    yield reopened(advisor)
    yield reopened(advisor.model_copy(update={"lead": advisor.lead.model_copy(update={"entries": None}), "name": "extracts"}))
    for group in advisor.groups:
        yield replace(served(advisor.with_groups([group])), name=f"asof_advisor_{group}")


@pytest.mark.parametrize("query", list(_queries()), ids=lambda query: query.name)
def test_the_query_is_googlesql_over_the_declared_tables(query: Query) -> None:
    Analyzer(_options(query.params), _catalog()).analyze_statement(query.sql)


def test_the_analyser_would_have_said_so() -> None:
    analyzer = Analyzer(_options(), _catalog())
    for wrong in ("SELECT nothing FROM `scores.ledger`", "SELECT list_contains([1], 1)", "SELECT lead_id FROM `scores.absent`"):
        with pytest.raises(Exception, match=r"not found|Unrecognized"):
            analyzer.analyze_statement(wrong)


@pytest.mark.parametrize("name", ["ledger_has", "standing"])
def test_a_query_gives_the_columns_it_declares(name: str) -> None:
    import json  # noqa: PLC0415

    declared = json.loads((FOLDER / name / "schema.json").read_text())["columns"]
    statement = Analyzer(_options(sql.load(name).params), _catalog()).analyze_statement(sql.load(name).sql)
    kinds = {kind: name for name, kind in KINDS.items()}
    assert {c.name: kinds[c.column.type.type_kind] for c in statement.output_column_list} == declared


EXPRESSIONS = """
CAST(DATE '2024-02-29' AS TIMESTAMP)
CAST(TIMESTAMP '2024-12-31 23:59:59.999999+00' AS DATE)
DATE(TIMESTAMP '2024-03-31 23:30:00-05')
DATE_DIFF(DATE '2024-03-01', DATE '2024-02-29', MONTH)
DATE_DIFF(DATE '2024-02-29', DATE '2024-03-01', MONTH)
DATE_DIFF(DATE '2025-02-28', DATE '2024-02-29', MONTH)
DATE_DIFF(DATE '2024-03-31', DATE '2024-02-29', DAY)
DATE_DIFF(CAST(NULL AS DATE), DATE '2024-02-29', MONTH)
DATE_SUB(DATE '2024-03-31', INTERVAL 1 MONTH) = DATE '2024-02-29'
DATE '2024-02-29' > DATE_SUB(DATE '2025-02-28', INTERVAL 12 MONTH)
DATE_SUB(DATE '2024-02-29', INTERVAL 12 MONTH) = DATE '2023-02-28'
TIMESTAMP_SUB(TIMESTAMP '2024-03-10 12:00:00+00', INTERVAL 30 DAY)
TIMESTAMP_ADD(TIMESTAMP '2024-02-28 12:00:00.000001+00', INTERVAL 2 DAY)
SAFE_DIVIDE(1.0, 0.0)
SAFE_DIVIDE(CAST(NULL AS FLOAT64), 2.0)
SAFE_DIVIDE(7, 2)
SAFE_DIVIDE(7.0, NULLIF(0.0, 0))
NULLIF('unknown', 'unknown')
NULLIF(CAST(999 AS FLOAT64), 999.0)
LEAST(GREATEST(CAST(NULL AS FLOAT64), -100), 100)
LEAST(GREATEST(-250.0, -100), 100)
IF(CAST(NULL AS BOOL), 1, 2)
IF(5.0 BETWEEN 0.0 AND 5.0, 5.0, NULL)
IF(CAST(NULL AS FLOAT64) BETWEEN 0.0 AND 5.0, 1.0, NULL)
CAST(7 AS FLOAT64)
CAST(3 >= 3 AS BOOL)
CAST(CAST(NULL AS INT64) > 3 AS BOOL)
0 = 0 AND CAST(NULL AS FLOAT64) < 60
1 = 0 AND CAST(NULL AS FLOAT64) < 60
CAST(TRUE AS STRING)
CAST(TRUE AS INT64) + CAST(CAST(NULL AS BOOL) AS INT64)
COALESCE(CAST(NULL AS FLOAT64) + 1.0, CAST(NULL AS FLOAT64), 2.5)
CONCAT('firm ', '')
GREATEST(0, 0.7 * 10 - 20.0)
GREATEST(TIMESTAMP '2024-03-03 02:00:00+00', TIMESTAMP '2024-03-04 02:00:00+00')
TIMESTAMP_ADD(CAST(DATE '2024-01-31' AS TIMESTAMP), INTERVAL 115 DAY)
DATE(TIMESTAMP '2024-03-10 04:30:00+00', 'America/New_York')
DATE(TIMESTAMP '2024-11-03 05:30:00+00', 'America/New_York')
MOD(DATE_DIFF(DATE '2024-02-29', DATE '1900-01-01', DAY), 7) + 1
DATE_DIFF(DATE '2025-02-28', DATE '2024-02-29', DAY) / 365.25
LENGTH(REGEXP_EXTRACT('11011', r'^1*'))
LENGTH(REGEXP_EXTRACT('011', r'^1*'))
REGEXP_CONTAINS(LOWER('Senior Vice PRESIDENT'), r'senior|^president')
REGEXP_CONTAINS(LOWER('Vice President'), r'senior|^president')
REGEXP_CONTAINS(LOWER(CAST(NULL AS STRING)), r'senior')
['a', 'b'][SAFE_OFFSET(1)]
['a', 'b'][SAFE_OFFSET(2)]
'c' NOT IN UNNEST(['b', 'a'])
CAST(NULL AS STRING) NOT IN UNNEST(['b', 'a'])
'c' IN ('a', ['b'][SAFE_OFFSET(1)])
(SELECT AVG(x) FROM UNNEST([1.5, CAST(NULL AS FLOAT64), 2.5]) AS x)
(SELECT COUNT(x) FROM UNNEST([CAST(NULL AS FLOAT64), CAST(NULL AS FLOAT64)]) AS x)
CAST(12 AS STRING)
CASE WHEN CAST(NULL AS TIMESTAMP) < TIMESTAMP '2024-01-01 00:00:00+00' THEN 'a' WHEN TRUE THEN 'b' END
'a' IN UNNEST(['b', 'a'])
'a' IN UNNEST(CAST([] AS ARRAY<STRING>))
""".strip().splitlines()

PINNED_ELSEWHERE = "ROW_NUMBER OVER UNNEST STRUCT SUM"
AGGREGATES = """
COUNTIF(x > 1)
COUNT(x)
COUNT(*)
COUNT(DISTINCT x)
MIN(x)
MAX(x)
NULLIF(COUNT(DISTINCT x), 0) - 1
COUNT(DISTINCT IF(x > 1, x, NULL))
AVG(x)
STDDEV_SAMP(x)
STRING_AGG(CAST(x AS STRING), '' ORDER BY x DESC)
ANY_VALUE(x * 2 HAVING MAX x)
ANY_VALUE(x * 2 HAVING MIN x)
""".strip().splitlines()


@pytest.mark.parametrize("query", list(_queries()), ids=lambda query: query.name)
def test_every_function_a_query_uses_is_pinned_below(query: Query) -> None:
    pinned = " ".join([*EXPRESSIONS, *AGGREGATES, PINNED_ELSEWHERE])
    used = set(re.findall(r"\b([A-Z][A-Z_]+)\(", re.sub(r"'[^']*'", "", query.sql)))
    assert used - set(re.findall(r"\b([A-Z][A-Z_]+)\b", pinned)) == set()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_means_on_duckdb_what_it_means_in_googlesql(expression: str) -> None:
    _same(f"SELECT {expression} AS value")


@pytest.mark.parametrize("rows", ["[1, NULL, 3, 3]", "CAST([] AS ARRAY<INT64>)", "[CAST(NULL AS INT64)]"])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_an_aggregate_means_on_duckdb_what_it_means_in_googlesql(aggregate: str, rows: str) -> None:
    _same(f"SELECT {aggregate} AS value FROM UNNEST({rows}) AS x")


def test_the_latest_row_is_the_same_and_nulls_come_last() -> None:
    _same(
        "SELECT s.x AS value FROM UNNEST([STRUCT(1 AS k, 1 AS x), (1, NULL), (1, 5), (2, NULL), (3, NULL), (3, 2)]) AS s "
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY s.k ORDER BY s.x DESC) = 1 ORDER BY s.k"
    )


def _same(text: str) -> None:
    translated = googlesql_to_duckdb(text)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        ours = [_plain(row[0]) for row in connection.execute(translated).fetchall()]
    if any(isinstance(value, datetime) for value in ours):
        text = f"SELECT UNIX_MICROS(value) FROM ({text})"
        ours = [round(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value for value in ours]
    with PreparedQueryBuilder().set_sql(text).set_analyzer_options(_options()).set_catalog(_catalog()).prepare() as query:
        oracle = [_said(row.cell[0]) for row in query.execute().content.table_data.row]
    assert ours == oracle, translated


def _said(cell: Any) -> object:
    """The evaluator's answer as a plain value."""
    if cell.date_value is not None:
        return date.fromordinal(date(1970, 1, 1).toordinal() + cell.date_value)
    found = [getattr(cell, name) for name in ("int64_value", "double_value", "bool_value", "string_value")]
    return next((value for value in found if value is not None), None)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
