"""One Bulk API 2.0 job: made, filled with CSV, closed, waited for, and answered record by record."""

import csv
import io
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from simple_salesforce.api import Salesforce
from simple_salesforce.bulk2 import Operation, SFBulk2Handler

from shared.adapters.salesforce_session import SalesforceSession
from shared.ports import FieldUpdate, FieldValue, UpdateResult

_NULL = "#N/A"
_DONE = frozenset({"JobComplete", "Failed", "Aborted"})
_LONGEST_PAUSE_SECONDS = 10.0


def bulk_update(
    session: SalesforceSession, updates: Sequence[FieldUpdate], timeout_seconds: float, retryable: Collection[str]
) -> list[UpdateResult]:
    """One result per update, in order. Each step is a call of its own, so that a renewed session resumes the same job.

    A job that does not end in time is aborted; what Salesforce left unprocessed is to be retried.
    """
    job = session.call(lambda sf: _leads(sf).create_job(Operation.update))["id"]
    session.call(lambda sf: _leads(sf).upload_job_data(job, _csv_of(updates)))
    session.call(lambda sf: _leads(sf).close_job(job))
    if not _wait(session, job, timeout_seconds):
        session.call(lambda sf: _leads(sf).abort_job(job, is_query=False))
    answered = session.call(lambda sf: _outcomes(_leads(sf), job, retryable))
    return [answered.get(u.lead_id) or _unprocessed(u.lead_id) for u in updates]


def _wait(session: SalesforceSession, job: str, timeout_seconds: float) -> bool:
    """Whether the job ended by itself within the time."""
    deadline, pause = time.monotonic() + timeout_seconds, 0.2
    while time.monotonic() < deadline:
        if session.call(lambda sf: _leads(sf).get_job(job, is_query=False))["state"] in _DONE:
            return True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    return False


def _outcomes(leads: Any, job: str, retryable: Collection[str]) -> dict[str, UpdateResult]:
    done = {row["sf__Id"]: UpdateResult(row["sf__Id"]) for row in _rows(leads.get_ingest_results(job, "successfulResults"))}
    for row in _rows(leads.get_ingest_results(job, "failedResults")):
        code, _, message = row["sf__Error"].partition(":")
        done[row["Id"]] = UpdateResult(row["Id"], code, message.strip(), code in retryable)
    return done


def _unprocessed(lead_id: str) -> UpdateResult:
    return UpdateResult(lead_id, "UNPROCESSED", "Salesforce did not say what became of the record.", retryable=True)


def _leads(salesforce: Salesforce) -> Any:
    """The steps of a job on Lead; simple-salesforce itself offers only all of them in one, for up to a day."""
    bulk = salesforce.bulk2
    assert isinstance(bulk, SFBulk2Handler)  # noqa: S101 - what the attribute gives
    return bulk.Lead._client  # noqa: SLF001


def _csv_of(updates: Sequence[FieldUpdate]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["Id", *updates[0].values], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"Id": u.lead_id, **{name: _text(value) for name, value in u.values.items()}} for u in updates)
    return out.getvalue()


def _text(value: FieldValue) -> str:
    """An empty cell would leave the field as it is; only #N/A empties it."""
    if value is None or value == "":
        return _NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(text: str) -> Iterator[dict[str, str]]:
    """simple-salesforce's own reader splits at line ends, also those inside a quoted value."""
    return iter(csv.DictReader(io.StringIO(text, newline="")))
