"""Score a file or a world by the model of a run."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ops.data import opened_for_scoring
from shared.asks import Vector, answer
from shared.errors import CorruptArtifact, DataError, Terminal
from shared.lead import Ask
from shared.model.artifact import Artifact, unpack
from shared.model.scorer import judge
from shared.score import reasons_json, reasons_text

COLUMNS = ("id", "margin", "probability", "percentile", "band", "reasons")
PAGE = 2000


def load_model(run: Path) -> Artifact:
    """The model of a run directory (or of its model/ folder). CorruptArtifact when a file is absent or changed."""
    folder = run / "model" if (run / "model").is_dir() else run
    if not (folder / "artifact.json").is_file():
        raise CorruptArtifact(f"{run} holds no model.", fix="Give the directory that ./leadscore train --out wrote.")
    return unpack({path.name: path.read_bytes() for path in folder.iterdir()})


def predict(run: Path, data: Path, out: Path, advance: Callable[[int, int], None]) -> tuple[int, int]:
    """Write `out`; returns how many leads were scored and how many could not be, whose line names the reason."""
    model = load_model(run)
    done = failed = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with opened_for_scoring(data, model.contract) as (warehouse, asks), out.open("w", newline="") as file:
        if not asks:
            raise DataError(f"{data} holds no contacted lead.", fix="Check the contact column.")
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for start in range(0, len(asks), PAGE):
            page = asks[start : start + PAGE]
            rows = list(_page(model, [ask for _, ask in page], answer(warehouse, model.contract, [ask for _, ask in page])))
            failed += sum(row[0] == "" for row in rows)
            writer.writerows([(key, *row) for (key, _), row in zip(page, rows, strict=True)])
            done += len(page)
            advance(done, len(asks))
    return done - failed, failed


def _page(model: Artifact, asks: list[Ask], answers: Sequence[Vector | Terminal]) -> Iterator[tuple[str, ...]]:
    judged = iter(judge(model, [vector for vector in answers if not isinstance(vector, Terminal)]))
    for _, vector in zip(asks, answers, strict=True):
        if isinstance(vector, Terminal):
            yield ("", "", "", "", str(vector))
            continue
        one = next(judged)
        text = reasons_text(reasons_json(one.reasons))
        yield (f"{one.margin:.6f}", f"{one.probability:.6f}", f"{one.percentile:.2f}", one.band, text)
