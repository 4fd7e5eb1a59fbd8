"""A judged period as bytes, so that a run that was killed goes on where it stopped. Without pickle."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from shared.config import ROOT
from shared.errors import CorruptArtifact
from shared.model.arrays import from_bytes, to_bytes
from shared.model.artifact import KINDS
from training_job.candidates import Judged, Keep, Seen
from training_job.dataset import Dataset
from training_job.folder import Folder
from training_job.folds import Fold
from training_job.lesson import Plan
from training_job.policy import TrainingPolicy
from training_job.screening import Removed
from training_job.search import Trial

_KIND_OF = {kind: name for name, kind in KINDS.items()}


def keeping(folder: Folder, dataset: Dataset, policy: TrainingPolicy) -> Keep:
    """Keeps each period under the sha256 of everything it depends on; a kept one that cannot be read is judged anew."""
    rows = hashlib.sha256(np.ascontiguousarray(dataset.matrix).tobytes() + dataset.outcome.tobytes() + dataset.contacted_at.tobytes())
    rows.update((" ".join(dataset.lead_ids) + " ".join(dataset.schema.matrix_names) + policy.model_dump_json()).encode() + _code())

    def keep(number: int, judge: Callable[[], Judged]) -> Judged:
        name = f"progress/{rows.hexdigest()[:16]}-{number}.npz"
        kept = folder.get(name)
        if kept is not None:
            try:
                return unpack(kept)
            except CorruptArtifact:
                pass
        judged = judge()
        folder.put(name, pack(judged))
        return judged

    return keep


def _code() -> bytes:
    """What judges a period, so that one that other code judged is not taken for it."""
    sources = sorted(path for room in ("training_job", "shared") for path in (ROOT / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).digest()


def pack(judged: Judged) -> bytes:
    arrays: dict[str, Any] = {"train": judged.fold.train, "judge": judged.fold.judge}
    said = {
        "kept": dict(judged.kept),
        "removed": [asdict(each) for each in judged.removed],
        "trials": [{**asdict(each), "plan": asdict(each.plan)} for each in judged.trials],
        "seen": [
            {"name": name, "kind": _KIND_OF[type(s.predictor)], "train_auc": s.train_auc, "plan": asdict(s.plan), "seconds": s.seconds}
            for name, s in judged.seen.items()
        ],
    }
    for index, seen in enumerate(judged.seen.values()):
        arrays[f"margins{index}"] = seen.margins
        arrays[f"model{index}"] = np.frombuffer(to_bytes(seen.predictor), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, said=np.array(json.dumps(said, default=dict)), **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> Judged:
    """Read what `pack` wrote; CorruptArtifact for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            said = json.loads(str(arrays["said"]))
            seen = {
                each["name"]: Seen(
                    margins=arrays[f"margins{index}"],
                    train_auc=each["train_auc"],
                    predictor=from_bytes(KINDS[each["kind"]], arrays[f"model{index}"].tobytes()),
                    plan=Plan(**each["plan"]),
                    seconds=each["seconds"],
                )
                for index, each in enumerate(said["seen"])
            }
            return Judged(
                fold=Fold(arrays["train"], arrays["judge"]),
                kept={screen: tuple(names) for screen, names in said["kept"].items()},
                removed=tuple(Removed(**each) for each in said["removed"]),
                trials=tuple(Trial(**{**each, "plan": Plan(**each["plan"])}) for each in said["trials"]),
                seen=seen,
            )
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as fault:
        raise CorruptArtifact(f"A kept period cannot be read: {fault}", fix="Remove the run's progress folder.") from fault
