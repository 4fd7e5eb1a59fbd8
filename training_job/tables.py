"""The tables of a run: the folds as they were, and the drivers of the best leads."""

import json
from collections.abc import Mapping

from training_job.dataset import Dataset
from training_job.train import Trained


def folds_json(trained: Trained, dataset: Dataset, keys: Mapping[str, str]) -> str:
    """cv_folds.json: row indices of every side, into `leads`, which lists the rows in order of contact."""
    place = {lead: index for index, lead in enumerate(dataset.lead_ids)}
    own = [place[lead] for lead in trained.development.lead_ids]
    said = {
        "leads": [keys.get(lead, lead) for lead in dataset.lead_ids],
        "folds": [
            {
                "train": [own[row] for row in period.fold.train],
                "judge": [own[row] for row in period.fold.judge],
                "judged_from": _day(trained.development, int(period.fold.judge[0])),
                "judged_to": _day(trained.development, int(period.fold.judge[-1])),
            }
            for period in trained.compared.periods
        ],
        "sealed": {
            "train": own,
            "judge": trained.sealed.rows.judge.tolist(),
            "period": str(trained.sealed.opening.period),
        }
        if trained.sealed
        else None,
    }
    return json.dumps(said)


def _day(dataset: Dataset, row: int) -> str:
    return str(dataset.contacted_at[row].astype("datetime64[D]"))
