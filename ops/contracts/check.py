"""What a contract says against what the declared tables hold: every column, type and formula, each fault by its line."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import sqlglot
from sqlglot import exp

from shared.asof.contract import ASKED, DERIVED, Contract, Feature, Source, load_contract
from shared.documents import Fault, located
from shared.errors import ContractError
from shared.tables import all_tables

_KINDS = {"float": {"INT64", "FLOAT64"}, "bool": {"BOOL"}, "category": {"STRING"}, "text": {"STRING"}}
_ASK = {"lead_id", "as_of"}

Columns = Callable[[str], Mapping[str, str]]
"""A table's columns and their GoogleSQL types; empty where nothing is known of it."""


def checked(path: Path) -> Contract:
    """The contract, once everything that can be checked without data holds. ContractError names every line at fault."""
    contract = load_contract(path)
    found = faults(contract, declared)
    if found:
        text = path.read_text()
        raise ContractError("\n".join(located(path, text, fault) for fault in found), fix="Mend the lines named.")
    return contract


def faults(contract: Contract, columns_of: Columns) -> list[Fault]:
    """Every way in which the contract does not fit tables of these columns."""
    return [*_lead_faults(contract, columns_of), *_source_faults(contract, columns_of), *_feature_faults(contract, columns_of)]


def declared(table: str) -> Mapping[str, str]:
    """The columns of a declared table; empty where the table comes from a file."""
    return next((each.columns for each in all_tables() if each.name == table), {})


def table_of(contract: Contract, source: Source) -> str:
    return source.table or contract.lead.table


def _lead_faults(contract: Contract, columns_of: Columns) -> Iterator[Fault]:
    lead, columns = contract.lead, columns_of(contract.lead.table)
    named = {"key": lead.key, "crd": lead.crd, "contacted_at": lead.contacted_at, "known_at": lead.known_at}
    yield from (
        _absent(("lead", key), column, lead.table, columns) for key, column in named.items() if columns and column and column not in columns
    )
    won = lead.outcome.event_at or lead.outcome.column
    if columns and won not in columns:
        yield _absent(("lead", "outcome"), str(won), lead.table, columns)


def _source_faults(contract: Contract, columns_of: Columns) -> Iterator[Fault]:
    for name, source in contract.sources.items():
        table = table_of(contract, source)
        columns = columns_of(table)
        named = {"key": source.key, "known_at": source.known_at, "event_time": source.event_time}
        named |= {f"grain[{index}]": column for index, column in enumerate(source.grain)}
        for key, column in named.items():
            if columns and column and column not in columns:
                yield _absent(("sources", name, key), column, table, columns)
        if source.where and columns:
            yield from _formula_faults(
                ("sources", name, "where"), source.where, {*columns, *_ASK, "crd", *_carried(contract, source, columns_of)}
            )


def _feature_faults(contract: Contract, columns_of: Columns) -> Iterator[Fault]:
    before: set[str] = set()
    for index, feature in enumerate(contract.features):
        if feature.name not in contract.refused:
            yield from _one_feature(contract, feature, ("features", index), before, columns_of)
        before.add(feature.name)


def _one_feature(contract: Contract, feature: Feature, at: tuple[str, int], before: set[str], columns_of: Columns) -> Iterator[Fault]:
    known = before | _ASK
    if feature.source not in {DERIVED, ASKED}:
        source = contract.sources[feature.source]
        table = table_of(contract, source)
        columns = columns_of(table)
        if not columns:
            return
        known = {*columns, *_ASK, *_carried(contract, source, columns_of)}
        if feature.column and feature.column not in columns:
            yield _absent((*at, "column"), feature.column, table, columns)
        elif feature.column and columns[feature.column] not in _KINDS[feature.dtype]:
            kind = columns[feature.column]
            yield Fault((*at, "dtype"), f"feature {feature.name}: a {feature.dtype} cannot hold {feature.column}, which is {kind}")
    if feature.sql:
        yield from _formula_faults((*at, "sql"), feature.sql, known)


def _carried(contract: Contract, source: Source, columns_of: Columns) -> set[str]:
    upstream = source.on.partition(".")[0]
    if upstream not in contract.sources:
        return set()
    return {f"{upstream}__{column}" for column in columns_of(table_of(contract, contract.sources[upstream]))}


def _formula_faults(at: tuple[str | int, ...], formula: str, known: set[str]) -> Iterator[Fault]:
    try:
        tree = sqlglot.parse_one(f"SELECT {formula}", dialect="bigquery")
    except sqlglot.errors.SqlglotError as fault:
        said = str(fault).splitlines()[0].removesuffix(".")
        yield Fault(at, f"{formula!r} is not GoogleSQL: {said}")
        return
    own = {alias.name for alias in tree.find_all(exp.Alias, exp.TableAlias)}
    own |= {identifier.name for alias in tree.find_all(exp.TableAlias) for identifier in alias.find_all(exp.Identifier)}
    unknown = sorted({column.name for column in tree.find_all(exp.Column)} - known - own)
    if unknown:
        near = ", ".join(sorted(known - _ASK)[:12])
        yield Fault(at, f"unknown column {', '.join(unknown)}; there are {near}{', ...' if len(known) > 12 else ''}")  # noqa: PLR2004


def _absent(at: tuple[str | int, ...], column: str, table: str, columns: Mapping[str, str]) -> Fault:
    return Fault(at, f"{table} has no column {column}; it has {', '.join(columns)}")
