"""Contract to GoogleSQL: one query over the relation `asks(lead_id, crd, as_of)`, for training and for serving.

A row version is visible from the later of its clocks, known_at and event time, until a later version is: each ask meets
at most one version of a row, so the query grows linearly with the asks and a row that is there twice multiplies them,
which is caught, instead of being picked at random. The text runs on BigQuery as it is and on DuckDB through sqlglot.
"""

from collections.abc import Collection, Iterator

from shared.asof.contract import DERIVED, Contract, Feature, Source, params_of
from shared.errors import ContractError
from shared.ports import ParamType, Query

ASK = {"lead_id": "STRING", "crd": "INT64", "as_of": "TIMESTAMP"}
SERVED_ASKS = "SELECT\n  ask.lead_id,\n  ask.crd,\n  ask.as_of\nFROM UNNEST(@asks) AS ask"
DEFAULT_DATASET = "crm"

_TYPES = {"float": "FLOAT64", "bool": "BOOL", "category": "STRING", "text": "STRING"}


def served(contract: Contract) -> Query:
    """The query for the asks at hand, given as the parameter `asks`; the others are the contract's fitted statistics."""
    return Query(f"asof_{contract.name}", vectors_sql(contract, SERVED_ASKS), {"asks": ASK, **statistic_params(contract)})


def vectors_sql(contract: Contract, asks: str, features: Collection[Feature] | None = None) -> str:
    """One row per ask: `lead_id, as_of`, `found_<source>` for each required source, `stale`, then each usable feature.

    `asks` is any SELECT of `lead_id, crd, as_of`; it is all that differs between training and serving. `stale` names, with
    a space after each, the sources whose latest row was too old. `features` asks for others than the usable ones.
    """
    wanted = contract.usable if features is None else features
    computed = contract.closure(wanted)
    used = used_sources(contract, computed)
    ctes = [("asks", asks)]
    for name, source in used.items():
        ctes += _source_ctes(contract, name, source, [f for f in computed if f.source == name])
    ctes.append(("level_0", _joined_sql(used, computed)))
    layers = _layers(contract, computed)
    for level, layer in enumerate(layers):
        columns = [f"{_value(contract, feature)} AS `{feature.name}`" for feature in layer]
        ctes.append((f"level_{level + 1}", _select(["*", *columns], f"FROM level_{level}")))
    final = _select(["lead_id", "as_of", *found_columns(contract), "stale", *(f"`{f.name}`" for f in wanted)])
    body = ",\n".join(f"{name} AS (\n{sql}\n)" for name, sql in ctes)
    return f"WITH\n{body}\n{final}\nFROM level_{len(layers)}\n"


def statistic_params(contract: Contract, features: Collection[Feature] | None = None) -> dict[str, ParamType]:
    """The parameters, besides the asks, that the query of these features (the usable ones) has."""
    computed = contract.closure(contract.usable if features is None else features)
    used = {param for feature in computed for param in params_of(feature.sql)}
    return {param: kind for param, kind in contract.params.items() if param in used}


def fitted_params(contract: Contract) -> dict[str, float | str | None]:
    """The fitted values of those parameters. ContractError when training has not filled them."""
    names = statistic_params(contract)
    if absent := [name for name in names if name not in contract.fitted]:
        said = f"Statistics {', '.join(absent)} of contract {contract.name} are not fitted"
        raise ContractError(f"{said}; they come from training rows.", fix="Score with a trained artefact's contract, or fit them first.")
    return {name: contract.fitted[name] for name in names}


def used_sources(contract: Contract, features: Collection[Feature]) -> dict[str, Source]:
    """The required sources, those of the features, and those that these join on, in declared order."""
    wanted = {name for name, source in contract.sources.items() if source.required} | {f.source for f in features}
    for name, source in reversed(list(contract.sources.items())):
        if name in wanted:
            wanted.add(source.on.partition(".")[0])
    return {name: source for name, source in contract.sources.items() if name in wanted}


def table_name(name: str) -> str:
    """A table as one backticked name; a bare name lives in the CRM dataset."""
    return f"`{name if '.' in name else f'{DEFAULT_DATASET}.{name}'}`"


def instant(column: str) -> str:
    """A DATE or TIMESTAMP column as an instant: a date counts from its first moment, UTC."""
    return f"CAST({column} AS TIMESTAMP)"


def found_columns(contract: Contract) -> list[str]:
    return [f"found_{name}" for name, source in contract.sources.items() if source.required]


def key_of(contract: Contract, source: Source) -> str:
    return source.key or contract.lead.key


def version_columns(contract: Contract, source: Source) -> list[str]:
    """What identifies one version of one row of a source; two rows alike in all of these cannot both be true."""
    clocks = [source.event_time, source.known_at]
    own = source.grain if source.kind == "history" else ()
    return list(dict.fromkeys([key_of(contract, source), *own, *(clock for clock in clocks if clock)]))


def _select(columns: list[str], tail: str = "") -> str:
    return "SELECT\n  " + ",\n  ".join(columns) + (f"\n{tail}" if tail else "")


def _source_ctes(contract: Contract, name: str, source: Source, features: list[Feature]) -> Iterator[tuple[str, str]]:
    yield f"versions_{name}", _versions_sql(contract, source)
    rows, sql = ("met", _met_sql) if source.kind == "history" else ("picked", _picked_sql)
    yield f"{rows}_{name}", sql(contract, name, source)
    values = [f"{_of_source(contract, source, f)} AS `{f.name}`" for f in features]
    carried = [f"s.`{column}` AS {name}__{column}" for column in _joined_on(contract, name)]
    yield f"source_{name}", (_history_sql if source.kind == "history" else _latest_sql)(contract, name, source, [*values, *carried])


def _ask_key(source: Source) -> tuple[str, str]:
    """The relation that asks the source, and the column of it that holds the key."""
    upstream, _, column = source.on.partition(".")
    return ("asks", source.on) if source.on in ASK else (f"source_{upstream}", f"{upstream}__{column}")


def _versions_sql(contract: Contract, source: Source) -> str:
    """The versions of the rows asked about, each with the instants between which it is the one to see."""
    key, (asking, ask_key) = key_of(contract, source), _ask_key(source)
    clocks = [_known(source), *([instant(f"s.`{source.event_time}`")] if source.event_time else [])]
    visible_from = f"GREATEST({', '.join(clocks)})" if len(set(clocks)) > 1 else clocks[0]
    history = source.kind == "history"
    same = [key, *source.grain] if history else [key]
    order = [source.known_at] if history else [source.event_time, source.known_at]
    window = f"PARTITION BY {_quoted(same)} ORDER BY {_quoted([clock for clock in order if clock])}"
    until = f"MIN({visible_from}) OVER ({window} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
    replaced = bool(source.grain and source.known_at) or not history
    columns = ["s.*"] if history else [f"s.`{column}`" for column in version_columns(contract, source)]
    columns += [f"{visible_from} AS visible_from", f"{until if replaced else 'CAST(NULL AS TIMESTAMP)'} AS visible_until"]
    conditions = [f"s.`{key}` IN (SELECT ask.{ask_key} FROM {asking} AS ask)", *(f"{clock} IS NOT NULL" for clock in clocks)]
    conditions += [f"({source.where})"] if source.where and not history else []
    return _select(columns, f"FROM {_table(contract, source)} AS s\nWHERE " + "\n  AND ".join(conditions))


def _known(source: Source) -> str:
    clock = instant(f"s.`{source.known_at or source.event_time}`")
    return f"TIMESTAMP_ADD({clock}, INTERVAL {source.lag_days} DAY)" if source.lag_days else clock


def _table(contract: Contract, source: Source) -> str:
    return table_name(source.table or contract.lead.table)


def _quoted(columns: list[str]) -> str:
    return ", ".join(f"s.`{column}`" for column in columns)


def _visible(key: str, ask_key: str) -> list[str]:
    return [
        f"s.`{key}` = ask.{ask_key}",
        "s.visible_from <= ask.as_of",
        "(s.visible_until IS NULL OR ask.as_of < s.visible_until)",
    ]


def _picked_sql(contract: Contract, name: str, source: Source) -> str:
    """Per ask, which version it sees: names only, so that the wide rows are fetched once."""
    asking, ask_key = _ask_key(source)
    columns = ["ask.lead_id AS ask_lead_id", "ask.as_of", f"ask.{ask_key} AS ask_key"]
    columns += [f"s.`{column}` AS picked_{column}" for column in version_columns(contract, source)]
    on = "\n  AND ".join(_visible(key_of(contract, source), ask_key))
    return _select(columns, f"FROM {asking} AS ask\nLEFT JOIN versions_{name} AS s\n  ON {on}")


def _met_sql(contract: Contract, name: str, source: Source) -> str:
    asking, ask_key = _ask_key(source)
    conditions = [*_visible(key_of(contract, source), ask_key), *([f"({source.where})"] if source.where else [])]
    columns = ["ask.lead_id AS ask_lead_id", "ask.as_of", f"ask.{ask_key} AS ask_key", "s.*"]
    return _select(columns, f"FROM {asking} AS ask\nLEFT JOIN versions_{name} AS s\n  ON " + "\n  AND ".join(conditions))


def _latest_sql(contract: Contract, name: str, source: Source, values: list[str]) -> str:
    key = key_of(contract, source)
    conditions = [f"s.`{column}` = ask.picked_{column}" for column in version_columns(contract, source)]
    conditions += [f"({source.where})"] if source.where else []
    if source.max_age_days:
        oldest = f"TIMESTAMP_SUB(ask.as_of, INTERVAL {source.max_age_days} DAY)"
        conditions.append(f"{instant(f's.`{source.event_time}`')} >= {oldest}")
    columns = ["ask.ask_lead_id AS lead_id", "ask.as_of", f"s.`{key}` IS NOT NULL AS found_{name}"]
    columns.append(f"IF(ask.picked_{key} IS NOT NULL AND s.`{key}` IS NULL, '{name} ', '') AS stale_{name}")
    tail = f"FROM picked_{name} AS ask\nLEFT JOIN {_table(contract, source)} AS s\n  ON " + "\n  AND ".join(conditions)
    return _select([*columns, *values], tail)


def _history_sql(contract: Contract, name: str, source: Source, values: list[str]) -> str:
    columns = ["s.ask_lead_id AS lead_id", "s.as_of", f"COUNT(s.`{key_of(contract, source)}`) > 0 AS found_{name}", f"'' AS stale_{name}"]
    return _select([*columns, *values], f"FROM met_{name} AS s\nGROUP BY s.ask_lead_id, s.as_of, s.ask_key")


def _of_source(contract: Contract, source: Source, feature: Feature) -> str:
    """An aggregate over nothing is often 0; where the key itself is missing, nothing is known and it is NULL."""
    value = _value(contract, feature)
    return f"IF(s.ask_key IS NULL, NULL, {value})" if source.kind == "history" else value


def _joined_on(contract: Contract, name: str) -> list[str]:
    ons = (source.on.partition(".") for source in contract.sources.values())
    return sorted({column for upstream, _, column in ons if upstream == name})


def _joined_sql(used: dict[str, Source], features: tuple[Feature, ...]) -> str:
    columns = ["asks.lead_id", "asks.as_of", *(f"source_{name}.found_{name}" for name, source in used.items() if source.required)]
    aging = [f"source_{name}.stale_{name}" for name, source in used.items() if source.max_age_days]
    columns.append((f"CONCAT({', '.join(aging)})" if aging else "''") + " AS stale")
    columns += [f"source_{f.source}.`{f.name}`" for f in features if f.source != DERIVED]
    joins = "\n".join(
        f"JOIN source_{name}\n  ON source_{name}.lead_id = asks.lead_id AND source_{name}.as_of = asks.as_of" for name in used
    )
    return _select(columns, f"FROM asks\n{joins}")


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
        if feature.source == DERIVED:
            depth[feature.name] = 1 + max(depth.get(name, 0) for name in contract.inputs(feature))
    deepest = max(depth.values(), default=0)
    return [[f for f in features if depth.get(f.name) == level] for level in range(1, deepest + 1)]
