"""What of a source an ask may see: each row version between the instant it is known and the one that replaces it.

A row version is visible from the later of its clocks, known_at and event time, until a later version is: each ask meets
at most one version of a row, so the query grows linearly with the asks and a row that is there twice multiplies them,
which is caught, instead of being picked at random.
"""

import re
from collections.abc import Iterator

from shared.asof.contract import Contract, Source

ASK = {"lead_id": "STRING", "crd": "INT64", "as_of": "TIMESTAMP"}
DEFAULT_DATASET = "crm"


def source_ctes(contract: Contract, name: str, source: Source, values: list[str], hindsight: str = "") -> Iterator[tuple[str, str]]:
    """The relations that end in `source_<name>`: per ask, whether a row was found, whether it was stale, and `values`."""
    yield f"versions_{name}", _versions_sql(contract, source, hindsight)
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


def _versions_sql(contract: Contract, source: Source, hindsight: str) -> str:
    """The versions of the rows asked about, each with the instants between which it is the one to see.

    With `hindsight`, an instant, every row known by then is visible from its event on, as if it had been known at once.
    """
    key, (asking, ask_key) = key_of(contract, source), _ask_key(source)
    known = known_instant(source)
    clocks = [known, *([instant(f"s.`{source.event_time}`")] if source.event_time else [])]
    visible_from = f"GREATEST({', '.join(clocks)})" if len(set(clocks)) > 1 else clocks[0]
    if hindsight:
        visible_from = clocks[-1]
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
    conditions += [f"{known} <= {hindsight}"] if hindsight else []
    return select(columns, f"FROM {_table(contract, source)} AS s\nWHERE " + "\n  AND ".join(conditions))


def known_instant(source: Source) -> str:
    """When a row could first have been known: its own clock, and the declared lag after it."""
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
