import json

import pytest

from shared.errors import CorruptArtifact, SchemaMismatch, UnknownCategory
from shared.model.artifact import MANIFEST, needed, pack, unpack, version_of
from shared.model.scorer import band_at, judge, say
from tests.conftest import Trained


@pytest.fixture
def files(trained: Trained) -> dict[str, bytes]:
    folder = trained.world.objects / "models" / trained.version
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_artefact_holds_no_pickle_and_names_every_file_s_sha256(files: dict[str, bytes]) -> None:
    assert set(json.loads(files[MANIFEST])["files"]) == set(files) - {MANIFEST}
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]


def test_the_version_names_the_day_and_the_content(trained: Trained, files: dict[str, bytes]) -> None:
    assert trained.version == version_of(files)
    assert trained.version.startswith("20250901-")
    assert unpack(files).version == trained.version


def test_every_changed_or_absent_file_is_named(files: dict[str, bytes]) -> None:
    for name in set(files) - {MANIFEST}:
        with pytest.raises(CorruptArtifact, match=f"{name} .* sha256"):
            unpack({**files, name: files[name] + b" "})
    for name in needed(unpack(files).manifest):
        with pytest.raises(CorruptArtifact, match=f"{name} .* absent"):
            unpack({n: data for n, data in files.items() if n != name})
    for broken in (b"", files[MANIFEST][:100], b"\xff\xfe", b"[]"):
        with pytest.raises(CorruptArtifact, match=r"artifact\.json cannot be read"):
            unpack({**files, MANIFEST: broken})


def test_a_file_the_manifest_does_not_know_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(CorruptArtifact, match=r"model\.pkl of the artefact is not in its manifest"):
        unpack({**files, "model.pkl": b"cos\nsystem\n"})


def test_a_model_under_another_contract_is_refused(files: dict[str, bytes]) -> None:
    artifact = unpack(files)
    other = artifact.contract.model_copy(update={"missing": ("n/a",)})
    with pytest.raises(CorruptArtifact, match="trained under contract"):
        unpack(pack(artifact.manifest, other, artifact.predictor, {}))


@pytest.mark.parametrize(
    "segment", [{"feature": "nobody", "cuts": [1.0], "offsets": [0.0, 1.0]}, {"feature": "pit_moves_3yr", "cuts": [1.0], "offsets": [0.0]}]
)
def test_segments_that_do_not_fit_the_model_are_refused(files: dict[str, bytes], segment: dict[str, object]) -> None:
    manifest = {**json.loads(files[MANIFEST]), "segment": segment}
    with pytest.raises(CorruptArtifact, match="segments are cut by a number of the model"):
        unpack({**files, MANIFEST: json.dumps(manifest).encode()})


def test_a_vector_that_lacks_a_feature_is_refused_by_name(trained: Trained) -> None:
    artifact = trained.artifact()
    vector = dict.fromkeys(artifact.schema.names, 1.0)
    assert len(judge(artifact, [vector, vector])) == 2
    del vector["pit_moves_3yr"]
    with pytest.raises(SchemaMismatch, match="pit_moves_3yr"):
        judge(artifact, [vector])
    assert judge(artifact, []) == []


def test_a_judgement_has_what_a_rep_needs(trained: Trained) -> None:
    artifact = trained.artifact()
    (judged,) = judge(artifact, [{**dict.fromkeys(artifact.schema.names, 1.0), "pit_restlessness_ratio": None}])
    assert 0 < judged.probability < 1
    assert 0 <= judged.percentile <= 100
    assert 0 < len(judged.reasons) <= 5
    strengths = [abs(reason.contribution) for reason in judged.reasons]
    assert strengths == sorted(strengths, reverse=True)


def test_every_band_can_be_reached(trained: Trained) -> None:
    bands = trained.artifact().manifest.bands
    assert [band_at(bands, p).name for p in (100, 98, 90, 70, 20, 0)] == ["Very Hot", "Very Hot", "Hot", "Warm", "Cool", "Cold"]


def test_a_reason_says_the_lead_s_own_value(trained: Trained) -> None:
    features = {feature.name: feature for feature in trained.world.contract.usable}
    assert say(features["pit_moves_3yr"], 3.0) == "3 moves in three years"
    assert say(features["is_fresh_start"], 1.0) == "joined the firm within a year"
    assert say(features["is_fresh_start"], 0.0) == "a year or more at the firm"
    assert say(features["firm_aum_pit"], None) == "firm aum pit not known"


def test_a_level_the_contract_does_not_list_is_an_error_naming_it() -> None:
    from shared.asof.vector import Column, Schema  # noqa: PLC0415

    schema = Schema((Column("job", "category", ("student", "retired")),))
    matrix = schema.encode({"job": ["retired", None]})
    assert matrix[0].tolist() == [0, 1]
    assert all(matrix[1] != matrix[1])
    with pytest.raises(UnknownCategory, match=r"'pilot'.*student, retired"):
        schema.encode({"job": ["pilot"]})
