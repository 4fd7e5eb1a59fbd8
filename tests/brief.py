"""The shipped policies cut short, where it is not the search that is tested."""

from pathlib import Path

import yaml

from shared.config import ROOT

_BRIEF = {"imbalance": ["none"], "screens": ["light"], "search": {"candidates": 0}, "backtest_months": 0}


def brief_policies(folder: Path, *families: str) -> Path:
    """All policies in `folder`, with these families of models, one screen and no search."""
    folder.mkdir(exist_ok=True)
    for file in (ROOT / "policies").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    training = yaml.safe_load((folder / "training.yaml").read_text())
    (folder / "training.yaml").write_text(yaml.safe_dump({**training, **_BRIEF, "families": list(families)}))
    return folder
