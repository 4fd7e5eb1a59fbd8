"""Fit-time statistics: what a feature's formula needs of the training rows, found on them alone and kept with the model."""

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np

from shared.asof.compile import fitted_params, found_columns, statistic_params, vectors_sql
from shared.asof.contract import Contract, Statistic
from shared.asof.declared import Fitted
from shared.asof.labels import mature_asks_sql
from shared.errors import DataError
from shared.ports import BulkWarehouse, Query


def fit_statistics(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Contract:
    """The contract with every statistic its features need, fitted on the mature, matched leads known by `known_by`.

    The fitted values are parameters of the same query in training and in serving. A statistic whose feature rests on
    another one is fitted after it. DataError when a number is missing in every row.
    """
    waiting = contract.statistics_of(contract.usable)
    fitted: dict[str, float | tuple[str, ...]] = {}
    while waiting:
        ready = [name for name in waiting if not set(_needs(contract, name)) & set(waiting)]
        fitted |= _fit(warehouse, contract.with_fitted(fitted), ready, known_by)
        waiting = [name for name in waiting if name not in ready]
    return contract.with_fitted(fitted) if fitted else contract


def _needs(contract: Contract, name: str) -> list[str]:
    of = contract.statistics[name].of
    return contract.statistics_of([feature for feature in contract.features if feature.name == of])


def _fit(warehouse: BulkWarehouse, contract: Contract, names: list[str], known_by: datetime) -> Fitted:
    wanted = {contract.statistics[name].of for name in names}
    features = [feature for feature in contract.features if feature.name in wanted]
    text = vectors_sql(contract, mature_asks_sql(contract), features=features)
    query = Query(f"statistics_{contract.name}", text, {"known_by": "TIMESTAMP", **statistic_params(contract, features)})
    rows = warehouse.arrow(query, known_by=known_by, **fitted_params(contract, features))
    for column in found_columns(contract):
        rows = rows.filter(rows.column(column))
    values = {name: rows.column(contract.statistics[name].of).drop_null().to_pylist() for name in names}
    return {name: _value(name, contract.statistics[name], known) for name, known in values.items()}


def _value(name: str, statistic: Statistic, known: list[Any]) -> float | tuple[str, ...]:
    if not known:
        fix = f"Load the source of {statistic.of}, or train on groups that do without it."
        raise DataError(f"Statistic {name}: {statistic.of} is missing in every training row.", fix=fix)
    if statistic.n is None:
        return float(np.quantile(np.array(known, float), statistic.q or 0.5))
    frequent = sorted(Counter(known).items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in frequent[: statistic.n])
