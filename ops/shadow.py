"""The challenger beside the champion on the leads both scored: agreement, and churn of the top band."""

from datetime import datetime

import numpy as np

from shared import sql
from shared.errors import NoChampion
from shared.metrics.agreement import Agreement, agreement
from shared.model.registry import Registry
from shared.ports import Warehouse


def shadow(registry: Registry, warehouse: Warehouse, since: datetime) -> tuple[str, str, str, Agreement]:
    """Champion, challenger, the top band's name, and how far they agree. NoChampion where a role is not given."""
    champion, challenger = (registry.pointer(role) for role in ("champion", "challenger"))
    if champion is None or challenger is None:
        missing = "champion" if champion is None else "challenger"
        raise NoChampion(f"The registry has no {missing}.", fix="Train one; a candidate that is not rejected becomes challenger.")
    top = registry.load(champion.version).manifest.bands[0].name
    rows = warehouse.query(sql.load("shadow"), champion=champion.version, challenger=challenger.version, since=since)
    table = {name: [row[index] for row in rows.values] for index, name in enumerate(rows.columns)}
    margins = [np.array(table[f"{role}_margin"], np.float64) for role in ("champion", "challenger")]
    bands = [[str(band) for band in table[f"{role}_band"]] for role in ("champion", "challenger")]
    return champion.version, challenger.version, top, agreement(margins[0], margins[1], (bands[0], bands[1]), top)
