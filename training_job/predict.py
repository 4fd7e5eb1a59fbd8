"""A file of leads scored by a model: the same query, the same scorer, the same words as in serving."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shared.asof.compile import fitted_params, found_columns, statistic_params, table_name, vectors_sql
from shared.asof.contract import Contract, Feature
from shared.asof.visible import instant
from shared.errors import DataError, LeadscoreError, SchemaMismatch
from shared.model.artifact import Artifact
from shared.model.scorer import judge
from shared.ports import BulkWarehouse, Query
from shared.score import Judgement, Value, reasons_json, reasons_text

PAGE = 2000


@dataclass(frozen=True, slots=True)
class Scored:
    """One lead of the file: its judgement, or why there is none."""

    lead_id: str
    judgement: Judgement | None
    why_not: str = ""

    def as_row(self, key: str) -> dict[str, str]:
        if self.judgement is None:
            return {"id": key, "margin": "", "probability": "", "percentile": "", "band": "", "reasons": f"not scored: {self.why_not}"}
        j = self.judgement
        return {
            "id": key,
            "margin": repr(j.margin),
            "probability": repr(j.probability),
            "percentile": f"{j.percentile:.2f}",
            "band": j.band,
            "reasons": reasons_text(reasons_json(j.reasons)),
        }


def predict(warehouse: BulkWarehouse, artifact: Artifact, say: Callable[[int, int], None]) -> Iterator[Scored]:
    """Every contacted lead as known at its contact, in order of contact. `say` hears of rows done and rows in all.

    Raises DataError when the file has no contacted lead, UnknownCategory for a level the model never met.
    """
    contract = artifact.contract
    features = features_of(artifact)
    vectors = warehouse.arrow(_asked(contract, features), **fitted_params(contract, features)).sort_by(
        [("as_of", "ascending"), ("lead_id", "ascending")]
    )
    if not len(vectors):
        raise DataError(f"No lead of {contract.lead.table} was contacted.", fix=f"Fill {contract.lead.contacted_at}.")
    for start in range(0, len(vectors), PAGE):
        yield from _page(artifact, vectors.slice(start, PAGE))
        say(min(start + PAGE, len(vectors)), len(vectors))


def same_contract(artifact: Artifact, contract: Contract) -> None:
    """SchemaMismatch unless the model was trained under this contract, whatever groups it chose and statistics it fitted."""
    own, given = (each.model_copy(update={"fitted": {}, "default_groups": ()}).model_dump_json() for each in (artifact.contract, contract))
    if own != given:
        raise SchemaMismatch(
            f"Model {artifact.version} was trained under another contract {artifact.contract.name} ({artifact.manifest.contract_hash}).",
            fix="Leave out --contract, since a model carries its own; or train again under this one.",
        )


def features_of(artifact: Artifact) -> tuple[Feature, ...]:
    """What the model reads, in the contract's words."""
    return tuple(feature for feature in artifact.contract.usable if feature.name in artifact.schema.names)


def _asked(contract: Contract, features: tuple[Feature, ...]) -> Query:
    lead = contract.lead
    latest = f"\nQUALIFY ROW_NUMBER() OVER (PARTITION BY s.`{lead.key}` ORDER BY s.`{lead.known_at}` DESC) = 1" if lead.known_at else ""
    crd = f"CAST(s.`{lead.crd}` AS INT64)" if lead.crd else "CAST(NULL AS INT64)"
    asks = f"""SELECT
  CAST(s.`{lead.key}` AS STRING) AS lead_id,
  {crd} AS crd,
  {instant(f"s.`{lead.contacted_at}`")} AS as_of
FROM {table_name(lead.table)} AS s
WHERE s.`{lead.contacted_at}` IS NOT NULL{latest}"""
    return Query(f"predict_{contract.name}", vectors_sql(contract, asks, features=features), statistic_params(contract, features))


def _page(artifact: Artifact, vectors: pa.Table) -> Iterator[Scored]:
    rows = vectors.to_pylist()
    needed = found_columns(artifact.contract)
    known = [row for row in rows if all(row[column] for column in needed)]
    try:
        judged = dict(zip([row["lead_id"] for row in known], judge(artifact, [_vector(artifact, row) for row in known]), strict=True))
    except LeadscoreError as fault:
        raise DataError(f"Leads contacted from {rows[0]['as_of']:%Y-%m-%d} on: {fault.what}", fix=fault.fix) from fault
    for row in rows:
        absent = ", ".join(column.removeprefix("found_") for column in needed if not row[column])
        yield Scored(row["lead_id"], judged.get(row["lead_id"]), f"no row of {absent} was known at the contact" if absent else "")


def _vector(artifact: Artifact, row: dict[str, Any]) -> dict[str, Value]:
    values = {name: row[name] for name in artifact.schema.names}
    return {name: value if value is None or isinstance(value, str) else float(value) for name, value in values.items()}
