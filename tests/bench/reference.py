"""The reference way, in an environment of its own: a pickle of scikit-learn objects behind pandas, and shap for the reasons.

python reference.py make FOLDER          pickle the calibrated model around the library's own file
python reference.py mlflow FOLDER        the same model as MLflow keeps it, for its server
python reference.py warm FOLDER          for each row number on standard input, score it and print the milliseconds
python reference.py cold FOLDER [cloud]  from nothing to one score, with the cloud's clients or without; print the process's status
"""

# ruff: noqa: PLC0415 - what is imported when is what is measured
import json
import pickle
import sys
import time
from pathlib import Path


def make(folder: Path) -> None:
    import numpy as np
    import pandas as pd
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from xgboost import XGBClassifier

    model = XGBClassifier(n_jobs=1)
    model.load_model(folder / "model.ubj")
    rows, outcome = np.load(folder / "rows.npy"), np.load(folder / "outcome.npy")
    frame = pd.DataFrame(rows, columns=[f"f{i}" for i in range(rows.shape[1])])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(frame, outcome)
    (folder / "model.pkl").write_bytes(pickle.dumps(calibrated))


def mlflow(folder: Path) -> None:
    import shutil

    import mlflow.sklearn

    shutil.rmtree(folder / "mlflow", ignore_errors=True)
    model = pickle.loads((folder / "model.pkl").read_bytes())  # noqa: S301 - we made it
    mlflow.sklearn.save_model(model, folder / "mlflow", pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle")


class Reference:
    """Loaded once; `score` is what a service does per request."""

    def __init__(self, folder: Path) -> None:
        import pandas as pd
        import shap

        self._pandas = pd
        self.model = pickle.loads((folder / "model.pkl").read_bytes())  # noqa: S301 - we made it
        self._explainer = shap.TreeExplainer(self.model.calibrated_classifiers_[0].estimator.estimator)

    def score(self, vector: dict[str, float]) -> tuple[float, list[str]]:
        frame = self._pandas.DataFrame([vector])
        probability = float(self.model.predict_proba(frame)[0, 1])
        shares = self._explainer.shap_values(frame)[0]
        strongest = abs(shares).argsort()[::-1][:5]
        return probability, [str(frame.columns[i]) for i in strongest]


def warm(folder: Path) -> None:
    import numpy as np

    rows = np.load(folder / "rows.npy")
    reference = Reference(folder)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        vector = {f"f{i}": float(x) for i, x in enumerate(rows[int(line)])}
        started = time.perf_counter()
        reference.score(vector)
        sys.stdout.write(f"{1000 * (time.perf_counter() - started)}\n")
        sys.stdout.flush()


def cold(folder: Path, *, cloud: bool) -> None:
    if cloud:
        from google.cloud import bigquery, pubsub_v1, storage

        clients = (bigquery.Client("example-project"), storage.Client("example-project"), pubsub_v1.PublisherClient())
        assert all(clients)
    Reference(folder).score(json.loads((folder / "vector.json").read_text()))
    sys.stdout.write(Path("/proc/self/status").read_text())


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        make(where)
    elif what == "mlflow":
        mlflow(where)
    elif what == "warm":
        warm(where)
    else:
        cold(where, cloud="cloud" in sys.argv)
