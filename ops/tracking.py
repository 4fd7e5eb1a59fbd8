"""A finished run in MLflow's tracking format, for those who live there.

Also a script of its own, for the Python that has MLflow: `python ops/tracking.py RUN TRACKING_URI`. It needs nothing else.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

EXPERIMENT = "leadscore"
PARAMS = ("contract", "contract_hash", "chosen", "known_by", "rows", "positives", "seed")
TAGS = ("version", "verdict", "champion")
FILES = ("run.json", "model_card.md", "report.html", "feature_importance.csv", "cv_folds.json", "verdict.json")


def metrics(said: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every figure of run.json with its interval: `sealed.auc_roc`, `sealed.auc_roc.low`, and so on."""
    for part in ("sealed", "rolling"):
        for name, figure in (said[part] or {}).items():
            if isinstance(figure, dict) and figure.get("value") is not None:
                yield f"{part}.{name}", figure["value"]
                yield from ((f"{part}.{name}.{end}", figure[end]) for end in ("low", "high") if figure[end] is not None)


def export(run: Path, tracking_uri: str) -> str:
    """Log the run once more, and give the id MLflow has it under. ModuleNotFoundError without MLflow."""
    import mlflow  # noqa: PLC0415 - optional, in an environment of its own

    said = json.loads((run / "run.json").read_text())
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name=said["version"]) as started:
        mlflow.log_params({name: said[name] for name in PARAMS})
        mlflow.log_metrics(dict(metrics(said)))
        mlflow.set_tags({**{name: said[name] for name in TAGS}, "reasons": "; ".join(said["reasons"])[:5000]})
        for name in FILES:
            if (run / name).is_file():
                mlflow.log_artifact(str(run / name))
        mlflow.log_artifacts(str(run / "model"), "model")
        return str(started.info.run_id)


if __name__ == "__main__":
    sys.stdout.write(export(Path(sys.argv[1]), sys.argv[2]) + "\n")
