"""What the benches score: 124 features, 200 trees of depth 4, made anew each run, as an artefact and as the library's own file."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xgboost

from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.asof.contract import Contract
from shared.config import ROOT
from shared.matrix import Matrix
from shared.model.artifact import Artifact, FeatureSpec, Manifest, Training, pack
from shared.model.calibrate import freeze_reference, sigmoid_knots
from shared.model.registry import Registry
from shared.score import Value
from training_job.families import trees_of

FOLDER = ROOT / "build" / "bench"
ROWS, COLUMNS, TREES, DEPTH = 20_000, 124, 200, 4
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Material:
    """`folder` holds `rows.npy`, `outcome.npy`, `model.ubj` and the registry `objects`."""

    folder: Path
    artifact: Artifact
    rows: Matrix

    def vectors(self, many: int) -> list[dict[str, Value]]:
        """Rows as the warehouse answers them: by name, missing as None."""
        names = self.artifact.schema.names
        return [{n: None if np.isnan(x) else float(x) for n, x in zip(names, row, strict=True)} for row in self.rows[:many]]


def make(columns: int = COLUMNS, folder: Path = FOLDER) -> Material:
    folder.mkdir(parents=True, exist_ok=True)
    rows, outcome = _data(columns)
    names = [f"f{i}" for i in range(columns)]
    params = {"objective": "binary:logistic", "max_depth": DEPTH, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(rows, outcome, feature_names=names), TREES)
    booster.save_model(folder / "model.ubj")
    np.save(folder / "rows.npy", rows)
    np.save(folder / "outcome.npy", outcome)
    contract = _contract(names)
    predictor = trees_of(booster)
    registry = Registry(DirectoryObjects(folder / "objects"))
    version = registry.save(pack(_manifest(contract, predictor.margins(rows), float(outcome.mean())), contract, predictor, {}))
    registry.point("champion", version, by="bench", reason="bench", at=datetime.now(UTC))
    (folder / "vector.json").write_text(json.dumps(dict(zip(names, np.nan_to_num(rows[0]).tolist(), strict=True))))
    return Material(folder, registry.load(version), rows)


def _data(columns: int) -> tuple[Matrix, Matrix]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, columns))
    rows[random.uniform(size=rows.shape) < 0.1] = np.nan
    drive = np.nan_to_num(rows[:, :8]).sum(axis=1)
    return rows, (random.uniform(size=ROWS) < 1 / (1 + np.exp(3 - drive))).astype(np.float64)


def _contract(names: list[str]) -> Contract:
    outcome = {"event_at": "won", "window_days": 30}
    features = [{"name": name, "source": "facts", "column": name, "dtype": "float", "sentence": name + " is {value:.2f}"} for name in names]
    lead = {"table": "crm.leads", "key": "id", "contacted_at": "contacted", "outcome": outcome}
    facts = {"kind": "event", "known_at": "contacted", "required": True}
    return Contract.model_validate({"name": "bench", "lead": lead, "sources": {"facts": facts}, "features": features})


def _manifest(contract: Contract, margins: Matrix, base_rate: float) -> Manifest:
    return Manifest(
        kind="trees",
        family="xgboost",
        contract_hash=contract.hash,
        features=tuple(FeatureSpec(name=feature.name, dtype=feature.dtype, levels=()) for feature in contract.usable),
        calibration=sigmoid_knots(1.0, 0.0, margins),
        calibration_method="sigmoid",
        reference=tuple(freeze_reference(margins).tolist()),
        bands=policies.bands(ROOT / "policies").bands,
        base_rate=base_rate,
        training=Training(first_contact=NOON, last_contact=NOON, known_by=NOON, rows=ROWS, positives=int(base_rate * ROWS)),
        metrics={},
        code_version="bench",
        libraries={},
    )
