"""LightGBM: fitted on float32 values, and its trees written as the arrays that serve."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from shared.model.trees import Node, Trees, build
from training_job.lesson import Lesson, Plan, Watch

_INFINITE = 1e300
"""How LightGBM writes an infinite threshold."""


def unavailable() -> str:
    """Empty where LightGBM can be imported, else why not (its library needs the system's libgomp.so.1)."""
    try:
        import lightgbm  # noqa: F401, PLC0415
    except (ImportError, OSError) as fault:
        return f"LightGBM cannot be loaded here: {fault}"
    return ""


def fit(lesson: Lesson, plan: Plan, watch: Watch | None) -> tuple[Trees, dict[str, bytes], int]:
    """Trees, the library's own file, and the rounds taken."""
    import lightgbm  # noqa: PLC0415

    params = {
        **plan.params,
        "objective": "binary",
        "verbosity": -1,
        "feature_pre_filter": False,
        "num_threads": lesson.policy.threads,
        "seed": lesson.policy.seed,
        "deterministic": True,
        "force_col_wise": True,
        "scale_pos_weight": lesson.positive_weight,
    }
    data = lesson.for_lightgbm
    inner = [lightgbm.Dataset(watch.matrix.astype(np.float32).astype(np.float64), watch.outcome, reference=data)] if watch else []
    stop: list[Any] = [lightgbm.early_stopping(watch.patience, verbose=False)] if watch else []
    booster = lightgbm.train(params, data, plan.rounds, valid_sets=inner, callbacks=stop)
    rounds = booster.best_iteration if watch and booster.best_iteration > 0 else booster.current_iteration()
    return trees_of(booster, rounds), {"model.txt": booster.model_to_string(num_iteration=rounds).encode()}, rounds


def trees_of(booster: Any, rounds: int = -1) -> Trees:
    """The booster's first `rounds` trees (-1: all). The starting score is already in the leaves of the first."""
    dumped = booster.dump_model(num_iteration=rounds)
    return build([list(_nodes(tree["tree_structure"])) for tree in dumped["tree_info"]], 0.0)


def _nodes(root: Mapping[str, Any]) -> Iterator[Node]:
    """The nodes of one tree, the root first, each before its children's subtrees."""
    waiting = [root]
    order: list[Mapping[str, Any]] = []
    while waiting:
        node = waiting.pop()
        order.append(node)
        if "split_feature" in node:
            waiting += [node["right_child"], node["left_child"]]
    place = {id(node): index for index, node in enumerate(order)}
    for node in order:
        if "split_feature" not in node:
            yield Node(0, 0.0, False, -1, -1, float(node["leaf_value"]), float(node.get("leaf_count", 1)))  # noqa: FBT003
            continue
        left, right = place[id(node["left_child"])], place[id(node["right_child"])]
        feature, cover, missing_left = node["split_feature"], float(node["internal_count"]), _missing_goes_left(node)
        if node["threshold"] >= _INFINITE:
            # Known values go left, infinity too: asked the other way round, as x >= -inf.
            yield Node(feature, -math.inf, missing_left, right, left, 0.0, cover)
        else:
            yield Node(feature, _above(node["threshold"]), not missing_left, left, right, 0.0, cover)


def _missing_goes_left(node: Mapping[str, Any]) -> bool:
    """A feature never missing in training has no way of its own for missing: LightGBM reads it as 0."""
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0.0


def _above(threshold: float) -> float:
    """The smallest float32 above: LightGBM goes left where x <= threshold, we where x < this, and no float32 lies between."""
    single = np.float32(threshold)
    return float(single if float(single) > threshold else np.nextafter(single, np.float32(math.inf)))
