"""Contract to GoogleSQL: one query over the relation `asks(lead_id, crd, as_of)`, for training and for serving.

What an ask may see of each source is decided in `visible`, so a feature cannot see what was not yet known. The text
runs on BigQuery as it is and on DuckDB through sqlglot.
"""

from collections.abc import Collection

from shared.asof.contract import ASKED, DERIVED, Contract, Feature, Source, params_of
from shared.asof.visible import ASK, AT_THE_ASK, instant, known_instant, select, source_ctes, table_name
from shared.errors import ContractError
from shared.ports import ParamType, Query

__all__ = [
    "ASK", "AT_THE_ASK", "SERVED_ASKS", "fitted_params", "found_columns", "instant", "known_instant", "literal", "served",
    "statistic_params", "table_name", "used_sources", "vectors_sql",
]  # fmt: skip

SERVED_ASKS = "SELECT\n  ask.lead_id,\n  ask.crd,\n  ask.as_of\nFROM UNNEST(@asks) AS ask"

_TYPES = {"float": "FLOAT64", "bool": "BOOL", "category": "STRING", "text": "STRING"}


def served(contract: Contract) -> Query:
    """The query for the asks at hand, given as the parameter `asks`; the others are the contract's fitted statistics."""
    return Query(f"asof_{contract.name}", vectors_sql(contract, SERVED_ASKS), {"asks": ASK, **statistic_params(contract)})


def vectors_sql(contract: Contract, asks: str, known: str = AT_THE_ASK, features: Collection[Feature] | None = None) -> str:
    """One row per ask: `lead_id, as_of`, `found_<source>` for each required source, `stale`, then each usable feature.

    `asks` is any SELECT of `lead_id, crd, as_of`; it is all that differs between training and serving. `stale` names, with
    a space after each, the sources whose latest row was too old. `features` asks for others than the usable ones. The leak
    audit alone sets `known` to a later instant, to see what hindsight would change.
    """
    wanted = contract.usable if features is None else features
    computed = contract.closure(wanted)
    used = used_sources(contract, computed)
    ctes = [("asks", asks)]
    for name, source in used.items():
        values = [f"{_of_source(contract, source, f)} AS `{f.name}`" for f in computed if f.source == name]
        ctes += source_ctes(contract, name, source, values, known)
    ctes.append(("level_0", _joined_sql(used, computed)))
    layers = _layers(contract, computed)
    for level, layer in enumerate(layers):
        columns = [f"{_value(contract, feature)} AS `{feature.name}`" for feature in layer]
        ctes.append((f"level_{level + 1}", select(["*", *columns], f"FROM level_{level}")))
    final = select(["lead_id", "as_of", *found_columns(contract), "stale", *(f"`{f.name}`" for f in wanted)])
    body = ",\n".join(f"{name} AS (\n{sql}\n)" for name, sql in ctes)
    return f"WITH\n{body}\n{final}\nFROM level_{len(layers)}\n"


def statistic_params(contract: Contract, features: Collection[Feature] | None = None) -> dict[str, ParamType]:
    """The parameters, besides the asks, that the query of these features (the usable ones) has."""
    computed = contract.closure(contract.usable if features is None else features)
    used = {param for feature in computed for param in params_of(feature.sql)}
    return {name: statistic.param_type for name, statistic in contract.statistics.items() if name in used}


def fitted_params(contract: Contract, features: Collection[Feature] | None = None) -> dict[str, float | list[str]]:
    """The fitted values of those parameters. ContractError when training has not filled them."""
    names = statistic_params(contract, features)
    if absent := [name for name in names if name not in contract.fitted]:
        said = f"Statistics {', '.join(absent)} of contract {contract.name} are not fitted"
        raise ContractError(f"{said}; they come from training rows.", fix="Score with a trained artefact's contract, or fit them first.")
    values = {name: contract.fitted[name] for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def used_sources(contract: Contract, features: Collection[Feature]) -> dict[str, Source]:
    """The required sources, those of the features, and those that these join on, in declared order."""
    wanted = {name for name, source in contract.sources.items() if source.required} | {f.source for f in features}
    for name, source in reversed(list(contract.sources.items())):
        if name in wanted:
            wanted.add(source.on.partition(".")[0])
    return {name: source for name, source in contract.sources.items() if name in wanted}


def found_columns(contract: Contract) -> list[str]:
    return [f"found_{name}" for name, source in contract.sources.items() if source.required]


def _of_source(contract: Contract, source: Source, feature: Feature) -> str:
    """An aggregate over nothing is often 0; where the key itself is missing, nothing is known and it is NULL."""
    value = _value(contract, feature)
    return f"IF(s.ask_key IS NULL, NULL, {value})" if source.kind == "history" else value


def _joined_sql(used: dict[str, Source], features: tuple[Feature, ...]) -> str:
    columns = ["asks.lead_id", "asks.as_of", *(f"source_{name}.found_{name}" for name, source in used.items() if source.required)]
    aging = [f"source_{name}.stale_{name}" for name, source in used.items() if source.max_age_days]
    columns.append((f"CONCAT({', '.join(aging)})" if aging else "''") + " AS stale")
    columns += [f"source_{f.source}.`{f.name}`" for f in features if f.source in used]
    joins = "\n".join(
        f"JOIN source_{name}\n  ON source_{name}.lead_id = asks.lead_id AND source_{name}.as_of = asks.as_of" for name in used
    )
    return select(columns, f"FROM asks\n{joins}")


def _value(contract: Contract, feature: Feature) -> str:
    own_column = feature.column and feature.source != DERIVED
    value = f"s.`{feature.column}`" if own_column else f"({feature.sql or f'`{feature.column}`'})"
    tokens = [literal(token) for token in contract.missing] if feature.dtype in {"category", "text"} else []
    for token in [*tokens, *map(repr, feature.missing)]:
        value = f"NULLIF({value}, {token})"
    value = f"CAST({value} AS {_TYPES[feature.dtype]})"
    if feature.range is None:
        return value
    low, high = feature.range
    return f"IF({value} BETWEEN {low!r} AND {high!r}, {value}, NULL)"


def literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _layers(contract: Contract, features: tuple[Feature, ...]) -> list[list[Feature]]:
    """Derived features by depth: those of one layer use only features of the layers before it."""
    depth: dict[str, int] = {}
    for feature in features:
        if feature.source in {DERIVED, ASKED}:
            depth[feature.name] = 1 + max((depth.get(name, 0) for name in contract.inputs(feature)), default=0)
    deepest = max(depth.values(), default=0)
    return [[f for f in features if depth.get(f.name) == level] for level in range(1, deepest + 1)]
