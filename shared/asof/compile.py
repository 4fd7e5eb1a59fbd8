"""Contract to GoogleSQL: one query over the relation `asks(lead_id, crd, as_of)`, for training and for serving.

Every row of a source is joined under the same two conditions, `known_at <= as_of` and `event_time <= as_of`, so a
feature cannot see what was not yet known. The text runs on BigQuery as it is and on DuckDB through sqlglot.
"""

from collections.abc import Iterator

from shared.asof.contract import DERIVED, Contract, Feature, Source
from shared.ports import Query

ASK = {"lead_id": "STRING", "crd": "INT64", "as_of": "TIMESTAMP"}
SERVED_ASKS = "SELECT\n  ask.lead_id,\n  ask.crd,\n  ask.as_of\nFROM UNNEST(@asks) AS ask"
DEFAULT_DATASET = "crm"

_TYPES = {"float": "FLOAT64", "bool": "BOOL", "category": "STRING"}


def served(contract: Contract) -> Query:
    """The query for the asks at hand, given as the parameter `asks`."""
    return Query(f"asof_{contract.name}", vectors_sql(contract, SERVED_ASKS), {"asks": ASK})


AT_THE_ASK = "ask.as_of"
"""Until when a row may have become known: the instant asked about."""


def vectors_sql(contract: Contract, asks: str, known: str = AT_THE_ASK) -> str:
    """One row per ask: `lead_id, as_of`, `found_<source>` for each required source, then each usable feature.

    `asks` is any SELECT of `lead_id, crd, as_of`; it is all that differs between training and serving. The leak audit
    alone sets `known` to a later instant, to see what hindsight would change.
    """
    features = contract.computed
    ctes = [("asks", asks)]
    for name, source in contract.sources.items():
        ctes += [(f"rows_{name}", _rows_sql(contract, source, known)), (f"source_{name}", _source_sql(contract, name))]
    ctes.append(("level_0", _joined_sql(contract, features)))
    layers = _layers(contract, features)
    for level, layer in enumerate(layers):
        columns = [f"{_value(contract, feature)} AS `{feature.name}`" for feature in layer]
        ctes.append((f"level_{level + 1}", _select(["*", *columns], f"FROM level_{level}")))
    final = _select(["lead_id", "as_of", *found_columns(contract), *(f"`{f.name}`" for f in contract.usable)])
    body = ",\n".join(f"{name} AS (\n{sql}\n)" for name, sql in ctes)
    return f"WITH\n{body}\n{final}\nFROM level_{len(layers)}\n"


def table_name(name: str) -> str:
    """A table as one backticked name; a bare name lives in the CRM dataset."""
    return f"`{name if '.' in name else f'{DEFAULT_DATASET}.{name}'}`"


def instant(column: str) -> str:
    """A DATE or TIMESTAMP column as an instant: a date counts from its first moment, UTC."""
    return f"CAST({column} AS TIMESTAMP)"


def found_columns(contract: Contract) -> list[str]:
    return [f"found_{name}" for name, source in contract.sources.items() if source.required]


def _select(columns: list[str], tail: str = "") -> str:
    return "SELECT\n  " + ",\n  ".join(columns) + (f"\n{tail}" if tail else "")


def _rows_sql(contract: Contract, source: Source, known: str) -> str:
    upstream, _, column = source.on.partition(".")
    asking, ask_key = ("asks", source.on) if source.on in ASK else (f"source_{upstream}", f"{upstream}__{column}")
    conditions = [f"s.`{_key(contract, source)}` = ask.{ask_key}", *_visible(source, known)]
    joined = f"FROM {asking} AS ask\nLEFT JOIN {table_name(source.table or contract.lead.table)} AS s\n  ON "
    tail = joined + "\n  AND ".join(conditions) + _one_version(source)
    return _select(["ask.lead_id AS ask_lead_id", "ask.as_of", f"ask.{ask_key} AS ask_key", "s.*"], tail)


def _key(contract: Contract, source: Source) -> str:
    return source.key or contract.lead.key


def known_instant(source: Source) -> str:
    """When a row of the source could first have been known: its own column, or the declared lag after its event."""
    if source.known_at:
        return instant(f"s.`{source.known_at}`")
    return f"TIMESTAMP_ADD({instant(f's.`{source.event_time}`')}, INTERVAL {source.lag_days} DAY)"


def _visible(source: Source, known: str) -> Iterator[str]:
    yield f"{known_instant(source)} <= {known}"
    if source.event_time:
        yield f"{instant(f's.`{source.event_time}`')} <= ask.as_of"
    if source.max_age_days:
        oldest = f"TIMESTAMP_SUB(ask.as_of, INTERVAL {source.max_age_days} DAY)"
        yield f"{instant(f's.`{source.event_time}`')} >= {oldest}"
    if source.where:
        yield f"({source.where})"


def _one_version(source: Source) -> str:
    if source.kind == "history" and not source.grain:
        return ""
    within = ["ask.lead_id", "ask.as_of", *(f"s.`{column}`" for column in source.grain)]
    clocks = [source.known_at or source.event_time] if source.kind == "history" else [source.event_time, source.known_at]
    latest = ", ".join(f"s.`{column}` DESC" for column in clocks if column)
    return f"\nQUALIFY ROW_NUMBER() OVER (PARTITION BY {', '.join(within)} ORDER BY {latest}) = 1"


def _source_sql(contract: Contract, name: str) -> str:
    source = contract.sources[name]
    key = f"s.`{_key(contract, source)}`"
    history = source.kind == "history"
    columns = ["s.ask_lead_id AS lead_id", "s.as_of"]
    columns.append(f"COUNT({key}) > 0 AS found_{name}" if history else f"{key} IS NOT NULL AS found_{name}")
    values = [(f.name, _value(contract, f)) for f in contract.computed if f.source == name]
    columns += [f"{_unless_keyless(value) if history else value} AS `{feature}`" for feature, value in values]
    columns += [f"s.`{column}` AS {name}__{column}" for column in _joined_on(contract, name)]
    return _select(columns, f"FROM rows_{name} AS s" + ("\nGROUP BY s.ask_lead_id, s.as_of, s.ask_key" if history else ""))


def _unless_keyless(aggregate: str) -> str:
    """An aggregate over nothing is often 0; where the key itself is missing, nothing is known and it is NULL."""
    return f"IF(s.ask_key IS NULL, NULL, {aggregate})"


def _joined_on(contract: Contract, name: str) -> list[str]:
    ons = (source.on.partition(".") for source in contract.sources.values())
    return sorted({column for upstream, _, column in ons if upstream == name})


def _joined_sql(contract: Contract, features: tuple[Feature, ...]) -> str:
    columns = ["asks.lead_id", "asks.as_of", *found_columns(contract)]
    columns += [f"source_{f.source}.`{f.name}`" for f in features if f.source != DERIVED]
    joins = "\n".join(
        f"JOIN source_{name}\n  ON source_{name}.lead_id = asks.lead_id AND source_{name}.as_of = asks.as_of" for name in contract.sources
    )
    return _select(columns, f"FROM asks\n{joins}")


def _value(contract: Contract, feature: Feature) -> str:
    own_column = feature.column and feature.source != DERIVED
    value = f"s.`{feature.column}`" if own_column else f"({feature.sql or f'`{feature.column}`'})"
    tokens = [literal(token) for token in contract.missing] if feature.dtype == "category" else []
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
