"""From nothing to one score: the scorer alone, through the registry, or the whole `score_lead` entry. Prints its status."""

# ruff: noqa: PLC0415 - what is imported when is what is measured
import json
import sys
from pathlib import Path


def scorer(folder: Path) -> None:
    """The arrays, numpy, and nothing else: margin, calibrated probability, percentile, exact top five."""
    import numpy as np

    from shared.model import calibrate
    from shared.model.arrays import from_bytes
    from shared.model.trees import Trees

    version = json.loads((folder / "objects" / "registry" / "champion.json").read_bytes())["version"]
    model = folder / "objects" / "models" / version
    said = json.loads((model / "artifact.json").read_bytes())
    trees = from_bytes(Trees, (model / "trees.npz").read_bytes())
    vector = json.loads((folder / "vector.json").read_text())
    row = np.array([[vector[feature["name"]] for feature in said["features"]]])
    margin = trees.margins(row)
    calibrate.probability(margin, said["calibration"])
    calibrate.percentile(margin, np.array(said["reference"]))
    np.argsort(-np.abs(trees.contributions(row)[0]))[:5]


def registry(folder: Path) -> None:
    """As the functions do it: every file checked, the contract read, the reasons in words."""
    from shared.adapters.directory import DirectoryObjects
    from shared.model.registry import Registry
    from shared.model.scorer import judge

    found = Registry(DirectoryObjects(folder / "objects"))
    pointer = found.pointer("champion")
    assert pointer
    judge(found.load(pointer.version), [json.loads((folder / "vector.json").read_text())])


def entry(folder: Path) -> None:
    """Everything `score_lead` makes on Google Cloud; the artefact comes from a directory, so that nobody waits for a network."""
    import functions.main  # noqa: F401
    from functions import wiring

    app = wiring.app()
    assert app.delivery
    assert app.scoring
    registry(folder)


if __name__ == "__main__":
    {"scorer": scorer, "registry": registry, "entry": entry}[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.write(Path("/proc/self/status").read_text())
