"""The tables of a run: the folds as they were, and the drivers of the best leads."""

import json
from collections.abc import Mapping

from training_job.dataset import Dataset
from training_job.trained import Trained


def folds_json(trained: Trained, dataset: Dataset) -> str:
    """cv_folds.json: row indices of every side, into rows.csv; the sealed period comes last."""
    place = {lead: index for index, lead in enumerate(dataset.lead_ids)}
    own = [place[lead] for lead in trained.development.lead_ids]
    said = [
        {
            "name": f"period {number}",
            "train": [own[row] for row in period.fold.train],
            "judge": [own[row] for row in period.fold.judge],
            "judged_from": _day(trained.development, int(period.fold.judge[0])),
            "judged_to": _day(trained.development, int(period.fold.judge[-1])),
        }
        for number, period in enumerate(trained.compared.periods, start=1)
    ]
    if trained.sealed:
        rows = trained.sealed.rows.judge
        days = {"judged_from": _day(dataset, int(rows[0])), "judged_to": _day(dataset, int(rows[-1]))}
        said.append({"name": "sealed", "train": own, "judge": rows.tolist(), **days})
    return json.dumps(said)


def leads_csv(dataset: Dataset, keys: Mapping[str, str]) -> str:
    """rows.csv: which lead each index of cv_folds.json is, in order of contact."""
    lines = (f"{index},{keys.get(lead, lead)}" for index, lead in enumerate(dataset.lead_ids))
    return "row,id\n" + "\n".join(lines) + "\n"


def _day(dataset: Dataset, row: int) -> str:
    return str(dataset.contacted_at[row].astype("datetime64[D]"))
