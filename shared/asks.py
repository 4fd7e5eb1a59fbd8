"""Asks to vectors: the one way a feature value comes about, in training and in serving."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from shared.asof.cardinality import twins
from shared.asof.compile import fitted_params, served
from shared.asof.contract import Contract
from shared.errors import Terminal, UnknownCrd, UnknownLead
from shared.lead import Ask
from shared.log import log
from shared.ports import Query, Warehouse
from shared.score import Value

Vector = Mapping[str, Value]


def answer(warehouse: Warehouse, contract: Contract, asks: Sequence[Ask]) -> list[Vector | Terminal]:
    """For each ask, in order, its vector as known at `as_of`, or why there is none.

    Asks are distinct in (lead_id, as_of). Errors that concern all of them are raised: FanOut when a source holds rows
    twice, so that an ask has more than one answer. A source whose latest row is too old is logged.
    """
    given = [{"lead_id": ask.lead_id, "crd": ask.crd, "as_of": ask.as_of} for ask in asks]
    rows = warehouse.query(_query(contract), asks=given, **fitted_params(contract))
    if len(rows) > len(asks):
        raise twins(warehouse, contract, [ask.crd for ask in asks if ask.crd is not None])
    _log_stale(row["stale"] for row in rows)
    found = {(row["lead_id"], row["as_of"]): row for row in rows}
    return [_vector(contract, ask, found[ask.lead_id, ask.as_of]) for ask in asks]


def answer_one(warehouse: Warehouse, contract: Contract, ask: Ask) -> Vector:
    """The vector of one ask; raises UnknownLead or UnknownCrd."""
    (vector,) = answer(warehouse, contract, [ask])
    if isinstance(vector, Terminal):
        raise vector
    return vector


def _vector(contract: Contract, ask: Ask, row: Mapping[str, object]) -> Vector | Terminal:
    for name, source in contract.sources.items():
        if source.required and not row[f"found_{name}"]:
            return _unknown(name, source.on, ask)
    return {feature.name: _number(row[feature.name]) for feature in contract.usable}


def _unknown(source: str, on: str, ask: Ask) -> Terminal:
    at = f"{ask.as_of:%Y-%m-%d %H:%M}Z"
    if on == "lead_id":
        return UnknownLead(f"{source} has no row of lead {ask.lead_id} known at {at}.", fix="Load the extract that holds it, then replay.")
    if ask.crd is None:
        return UnknownCrd(f"Lead {ask.lead_id} has no CRD.", fix="Fill in the CRD in Salesforce, then replay.")
    return UnknownCrd(
        f"{source} has no fresh row of the advisor of lead {ask.lead_id} known at {at}.",
        fix="Check the CRD in Salesforce, or load the vendor file that holds it, then replay.",
    )


def _log_stale(said: Iterable[object]) -> None:
    stale = Counter(source for names in said for source in str(names).split())
    if stale:
        log.warning("sources_stale", **stale)


def _number(value: object) -> Value:
    return value if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]


def _query(contract: Contract) -> Query:
    if contract.hash not in _compiled:
        _compiled[contract.hash] = served(contract)
    return _compiled[contract.hash]


_compiled: dict[str, Query] = {}
