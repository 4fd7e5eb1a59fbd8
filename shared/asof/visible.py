"""What of a source an ask may see: each row version between the instant it is known and the one that replaces it.

A row version is visible from the later of its clocks, known_at and event time, until a later version is: each ask meets
at most one version of a row, so the query grows linearly with the asks and a row that is there twice multiplies them,
which is caught, instead of being picked at random.
"""

import re
from collections.abc import Iterator

from shared.asof.contract import Contract, Source

ASK = {"lead_id": "STRING", "crd": "INT64", "as_of": "TIMESTAMP"}
AT_THE_ASK = "ask.as_of"
"""Until when a row may have become known: the instant asked about."""
DEFAULT_DATASET = "crm"
_EVER = "TIMESTAMP '1900-01-01 00:00:00+00'"


def source_ctes(contract: Contract, name: str, source: Source, values: list[str], known: str) -> Iterator[tuple[str, str]]:
    """The relations that end in `source_<name>`: per ask, whether a row was found, whether it was stale, and `values`."""
    yield f"versions_{name}", _versions_sql(contract, source, known)
    carried = [f"s.`{column}` AS {name}__{column}" for column in _carried(contract, name)]
    if source.kind == "history":
        yield f"met_{name}", _met_sql(contract, name, source)
        yield f"source_{name}", _history_sql(contract, name, source, values)
    else:
        yield f"picked_{name}", _picked_sql(contract, name, source)
        yield f"source_{name}", _latest_sql(contract, name, source, [*values, *carried])


def table_name(name: str) -> str:
    """A table as one backticked name; a bare name lives in the CRM dataset."""
    return f"`{name if '.' in name else f'{DEFAULT_DATASET}.{name}'}`"


def instant(column: str) -> str:
    """A DATE or TIMESTAMP column as an instant: a date counts from its first moment, UTC."""
    return f"CAST({column} AS TIMESTAMP)"


def key_of(contract: Contract, source: Source) -> str:
    return source.key or contract.lead.key


def version_columns(contract: Contract, source: Source) -> list[str]:
    """What identifies one version of one row of a source; two rows alike in all of these cannot both be true."""
    clocks = [source.event_time, source.known_at]
    own = source.grain if source.kind == "history" else ()
    return list(dict.fromkeys([key_of(contract, source), *own, *(clock for clock in clocks if clock)]))


def select(columns: list[str], tail: str = "") -> str:
    return "SELECT\n  " + ",\n  ".join(columns) + (f"\n{tail}" if tail else "")


def _ask_key(source: Source) -> tuple[str, str]:
    """The relation that asks the source, and the column of it that holds the key."""
    upstream, _, column = source.on.partition(".")
    return ("asks", source.on) if source.on in ASK else (f"source_{upstream}", f"{upstream}__{column}")


def _versions_sql(contract: Contract, source: Source, known: str) -> str:
    """The versions of the rows asked about, each with the instants between which it is the one to see.

    With hindsight (`known` is not the ask) a row counts from its event on, whenever it became known until then.
    """
    key, (asking, ask_key) = key_of(contract, source), _ask_key(source)
    event = [instant(f"s.`{source.event_time}`")] if source.event_time else []
    clocks = list(dict.fromkeys([known_instant(source), *event]))
    conditions = [f"s.`{key}` IN (SELECT ask.{ask_key} FROM {asking} AS ask)", *(f"{clock} IS NOT NULL" for clock in clocks)]
    if known != AT_THE_ASK:
        conditions.append(f"{clocks[0]} <= {known}")
        clocks = event or [_EVER]
    conditions += [f"({source.where})"] if source.where and source.kind != "history" else []
    visible_from = f"GREATEST({', '.join(clocks)})" if len(clocks) > 1 else clocks[0]
    columns = ["s.*"] if source.kind == "history" else [f"s.`{column}`" for column in version_columns(contract, source)]
    columns += [f"{visible_from} AS visible_from", f"{_until(key, source, visible_from)} AS visible_until"]
    return select(columns, f"FROM {_table(contract, source)} AS s\nWHERE " + "\n  AND ".join(conditions))


def _until(key: str, source: Source, visible_from: str) -> str:
    """When a later version of the same row takes over: later by event time, then by when it was known."""
    history = source.kind == "history"
    order = [source.known_at] if history else [source.event_time, source.known_at]
    if history and not (source.grain and source.known_at):
        return "CAST(NULL AS TIMESTAMP)"
    window = f"PARTITION BY {_quoted([key, *source.grain])} ORDER BY {_quoted([clock for clock in order if clock])}"
    return f"MIN({visible_from}) OVER ({window} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"


def known_instant(source: Source) -> str:
    """When a row of the source could first have been known: its own column or its event, and the declared lag."""
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
    return select(columns, f"FROM {asking} AS ask\nLEFT JOIN versions_{name} AS s\n  ON {on}")


def _met_sql(contract: Contract, name: str, source: Source) -> str:
    asking, ask_key = _ask_key(source)
    conditions = [*_visible(key_of(contract, source), ask_key), *([f"({source.where})"] if source.where else [])]
    columns = ["ask.lead_id AS ask_lead_id", "ask.as_of", f"ask.{ask_key} AS ask_key"]
    upstream = source.on.partition(".")[0]
    columns += [f"ask.{upstream}__{column}" for column in _carried(contract, upstream)] if upstream in contract.sources else []
    columns.append("s.*")
    return select(columns, f"FROM {asking} AS ask\nLEFT JOIN versions_{name} AS s\n  ON " + "\n  AND ".join(conditions))


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
    return select([*columns, *values], tail)


def _history_sql(contract: Contract, name: str, source: Source, values: list[str]) -> str:
    columns = ["s.ask_lead_id AS lead_id", "s.as_of", f"COUNT(s.`{key_of(contract, source)}`) > 0 AS found_{name}", f"'' AS stale_{name}"]
    return select([*columns, *values], f"FROM met_{name} AS s\nGROUP BY s.ask_lead_id, s.as_of, s.ask_key")


def _carried(contract: Contract, name: str) -> list[str]:
    """The columns of a source that later ones join on, or mention as `<source>__<column>`."""
    joined, mentioned = set[str](), list[str]()
    for later, source in contract.sources.items():
        upstream, _, column = source.on.partition(".")
        if upstream == name:
            joined.add(column)
            mentioned += [source.where or "", *(f.sql or "" for f in contract.features if f.source == later)]
    return sorted(joined.union(re.findall(rf"\b{name}__(\w+)", " ".join(mentioned))))
