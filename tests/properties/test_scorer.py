"""The scorer against its own definition, and the artefact reader against rubbish."""

import io
import itertools
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import CorruptArtifact
from shared.model.arrays import MAX_BYTES, from_bytes, to_bytes
from shared.model.artifact import ARRAYS, MANIFEST, pack, unpack
from shared.model.registry import Registry
from shared.model.scorer import judge
from shared.model.trees import Node, Trees, build
from tests.conftest import Trained
from tests.fakes import FakeObjects

COLUMNS = 4
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])


@st.composite
def tree(draw: st.DrawFn, depth: int = 4) -> list[Node]:
    """Any tree of at most this depth, over few features, so that paths split on one feature more than once."""
    nodes: list[Node] = []

    def grow(level: int, cover: float) -> int:
        index = len(nodes)
        nodes.append(Node(0, 0.0, default_right=False, left=-1, right=-1, value=draw(st.floats(-3, 3)), cover=cover))
        if level < depth and draw(st.booleans()):
            share = draw(st.floats(0.01, 0.99))
            left, right = grow(level + 1, cover * share), grow(level + 1, cover * (1 - share))
            feature, threshold, default_right = draw(st.integers(0, COLUMNS - 1)), draw(VALUES), draw(st.booleans())
            nodes[index] = Node(feature, threshold, default_right, left, right, 0.0, cover)
        return index

    grow(0, 100.0)
    return nodes


FORESTS = st.lists(tree(), min_size=1, max_size=4)
ROWS = st.lists(VALUES | st.just(math.nan) | st.sampled_from([math.inf, -math.inf]), min_size=COLUMNS, max_size=COLUMNS)


def _follow(nodes: list[Node], row: list[float], known: frozenset[int], index: int = 0) -> float:
    """The expected value when only `known` features are known: TreeSHAP's own definition, by recursion."""
    node = nodes[index]
    if node.left < 0:
        return node.value
    if node.feature not in known:
        return sum(nodes[child].cover / node.cover * _follow(nodes, row, known, child) for child in (node.left, node.right))
    x = row[node.feature]
    right = node.default_right if math.isnan(x) else x >= node.threshold
    return _follow(nodes, row, known, node.right if right else node.left)


def _shapley(forest: list[list[Node]], row: list[float], feature: int) -> float:
    """Over all subsets of the other features, with Shapley's weights (1953)."""
    others = [other for other in range(COLUMNS) if other != feature]
    total = 0.0
    for size in range(COLUMNS):
        weight = math.factorial(size) * math.factorial(COLUMNS - size - 1) / math.factorial(COLUMNS)
        for subset in map(frozenset, itertools.combinations(others, size)):
            total += weight * sum(_follow(nodes, row, subset | {feature}) - _follow(nodes, row, subset) for nodes in forest)
    return total


@settings(max_examples=150, deadline=None)
@given(FORESTS, ROWS, st.floats(-2, 2))
def test_contributions_are_shapley_values_by_their_definition(forest: list[list[Node]], row: list[float], base: float) -> None:
    trees = build(forest, base)
    (shares,) = trees.contributions(np.array([row]))
    np.testing.assert_allclose(shares, [_shapley(forest, row, feature) for feature in range(COLUMNS)], atol=1e-9)
    everything = frozenset(range(COLUMNS))
    np.testing.assert_allclose(trees.margins(np.array([row])), base + sum(_follow(nodes, row, everything) for nodes in forest), atol=1e-10)
    np.testing.assert_allclose(trees.expected + shares.sum(), trees.margins(np.array([row])), atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(FORESTS, st.lists(ROWS, min_size=1, max_size=40))
def test_whole_columns_and_single_rows_give_the_same_bytes(forest: list[list[Node]], rows: list[list[float]]) -> None:
    trees, matrix = build(forest, 0.1), np.array(rows)
    by_column = trees._sweep(np.ascontiguousarray(matrix.T, np.float32))
    assert by_column.tobytes() == np.concatenate([trees.margins(row[None]) for row in matrix]).tobytes()
    assert by_column.tobytes() == build(forest[::-1], 0.1).margins(matrix).tobytes()
    assert by_column.tobytes() == trees.explained(matrix)[0].tobytes()


def _refused_or_sound(data: bytes) -> None:
    """What the reader lets in can be scored with: no crash, no endless walk, finite margins."""
    try:
        trees = from_bytes(Trees, data)
    except CorruptArtifact:
        return
    else:
        columns = max(int(trees.feature.max()), int(trees.path_feature.max())) + 1
        if columns < 10_000:
            assert np.isfinite(trees.margins(np.zeros((1, columns)))).all()
            trees._sweep(np.zeros((columns, 1), np.float32))
            trees.contributions(np.zeros((1, columns)))


@settings(max_examples=300, deadline=None)
@given(tree(), st.data())
def test_flipped_cut_or_stretched_arrays_are_refused_or_still_sound(nodes: list[Node], data: st.DataObject) -> None:
    whole = to_bytes(build([nodes], 0.0))
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = data.draw(
        st.sampled_from(
            [
                whole[:at],
                whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :],
                whole[:at] + data.draw(st.binary(max_size=40)) + whole[at:],
            ]
        )
    )
    with np.errstate(all="ignore"):
        _refused_or_sound(broken)


def _named(trees: Trees) -> dict[str, Any]:
    return {field.name: getattr(trees, field.name) for field in fields(Trees)}


def _saved(save: Callable[..., None], arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@given(
    tree(), st.sampled_from([field.name for field in fields(Trees)]), st.sampled_from(["<i8", "<f4", "<c16", "S3", "?", "<M8[s]", "<i2"])
)
def test_an_array_of_another_type_is_refused(nodes: list[Node], name: str, dtype: str) -> None:
    arrays = _named(build([nodes], 0.0))
    if arrays[name].dtype != np.dtype(dtype):
        arrays[name] = np.zeros(arrays[name].shape, dtype)
        with pytest.raises(CorruptArtifact, match="cannot be read"):
            from_bytes(Trees, _saved(np.savez, arrays))


@given(tree(), st.sampled_from([field.name for field in fields(Trees)]))
def test_an_array_of_another_length_is_refused(nodes: list[Node], name: str) -> None:
    arrays = _named(build([nodes, nodes], 0.0))
    arrays[name] = np.concatenate([np.atleast_1d(arrays[name])] * 2)
    if name != "roots":  # any number of roots is a forest
        with pytest.raises(CorruptArtifact):
            from_bytes(Trees, _saved(np.savez, arrays))


STUMP = build(
    [[Node(0, 0.5, default_right=True, left=1, right=2, value=0.0, cover=2.0), *[Node(0, 0.0, False, -1, -1, 1.0, 1.0)] * 2]], 0.0
)


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = _named(STUMP) | {"value": np.zeros(20_000_000)}
    data = _saved(np.savez_compressed, bomb)
    assert len(data) < 200_000
    with pytest.raises(CorruptArtifact, match="compressed"):
        from_bytes(Trees, data)


def test_a_header_that_promises_more_than_there_is_takes_no_memory() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for name, array in _named(STUMP).items():
            stream = io.BytesIO()
            np.save(stream, array)
            written.writestr(f"{name}.npy", buffer.getvalue() if name == "value" else stream.getvalue())
    with pytest.raises(CorruptArtifact, match="holds 0 bytes"):
        from_bytes(Trees, archive.getvalue())


def test_a_pickle_inside_is_never_opened() -> None:
    with pytest.raises(CorruptArtifact):
        from_bytes(Trees, _saved(np.savez, _named(STUMP) | {"value": np.array([object()], object)}))


def test_nodes_that_lead_in_a_circle_are_refused() -> None:
    arrays = _named(STUMP) | {"left": np.array([1, 0, 2], np.int32), "right": np.array([2, 0, 2], np.int32)}
    with pytest.raises(CorruptArtifact, match="every path ends at a leaf"):
        from_bytes(Trees, _saved(np.savez, arrays))


def test_a_file_too_large_is_refused_unread(trained: Trained) -> None:
    artifact = trained.artifact()
    files = pack(artifact.manifest, artifact.contract, artifact.predictor, {})
    with pytest.raises(CorruptArtifact, match="more than"):
        unpack({**files, ARRAYS[artifact.manifest.kind]: bytes(MAX_BYTES + 1)})
    with pytest.raises(CorruptArtifact, match="at most"):
        unpack({**files, MANIFEST: bytes(MAX_BYTES + 1)})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)


@SLOW
@given(st.data())
def test_whatever_a_manifest_says_a_version_is_loaded_whole_or_refused(trained: Trained, data: st.DataObject) -> None:
    """Its version is the sha256 of the manifest, so that a manifest changed by anybody is no longer that version."""
    artifact = trained.artifact()
    files = pack(artifact.manifest, artifact.contract, artifact.predictor, {})
    said = json.loads(files[MANIFEST])
    said[data.draw(st.sampled_from(sorted(said)))] = data.draw(JSON)
    changed = {**files, MANIFEST: json.dumps(said).encode()}
    objects = FakeObjects()
    for name, content in changed.items():
        objects.write(f"models/{artifact.version}/{name}", content)
    with pytest.raises(CorruptArtifact):
        Registry(objects).load(artifact.version)
    try:
        told = unpack(changed)
    except CorruptArtifact:
        return
    judge(told, [dict.fromkeys(told.schema.names, 1.0)])
