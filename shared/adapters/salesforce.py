"""Salesforce through simple-salesforce: JWT bearer login, collections of 200, Bulk 2.0 above a threshold."""

import csv
import io
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.bulk2 import SFBulk2Handler, SFBulk2Type
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceOperationError,
)

from shared.config import SalesforceSettings
from shared.errors import CrmRefused, CrmUnavailable
from shared.policies import SalesforcePolicy
from shared.ports import CrmLead, FieldUpdate, FieldValue, UpdateResult

T = TypeVar("T")

LOCKED = "UNABLE_TO_LOCK_ROW"
_RETRYABLE = frozenset({LOCKED, "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION"})
_TIMEOUT_SECONDS = 30
_LOCK_RETRIES = 3
_SERVER_FAULT = 500
_BULK_NULL = "#N/A"


class SalesforceCrm:
    """The integration user's view of Lead. `settings.url` sends every call to a sandbox server instead."""

    def __init__(self, settings: SalesforceSettings, policy: SalesforcePolicy) -> None:
        self._settings = settings
        self._policy = policy
        self._login_lock = threading.Lock()
        self._salesforce: Salesforce | None = None

    def leads(self, lead_ids: Sequence[str]) -> list[CrmLead]:
        found: list[CrmLead] = []
        for page in _pages(lead_ids, self._policy.collection_size):
            quoted = ", ".join(f"'{lead_id}'" for lead_id in page)
            soql = f"SELECT Id, IsConverted, {self._policy.crd_field} FROM Lead WHERE Id IN ({quoted})"
            answer = self._call(partial(Salesforce.query_all, query=soql))
            found += [_lead(record, self._policy.crd_field) for record in answer["records"]]
        return found

    def update(self, updates: Sequence[FieldUpdate]) -> list[UpdateResult]:
        if len(updates) > self._policy.bulk_threshold:
            return self._bulk(updates)
        results: list[UpdateResult] = []
        for page in _pages(updates, self._policy.collection_size):
            results += self._retry_locked(page, self._collection(page))
        return results

    def writable_fields(self) -> frozenset[str]:
        described = self._call(partial(Salesforce.restful, path="sobjects/Lead/describe")) or {"fields": []}
        return frozenset(field["name"] for field in described["fields"] if field["updateable"])

    def _collection(self, updates: Sequence[FieldUpdate]) -> list[UpdateResult]:
        records = [{"attributes": {"type": "Lead"}, "id": u.lead_id, **u.values} for u in updates]
        body = {"allOrNone": False, "records": records}
        answers = self._call(partial(Salesforce.restful, path="composite/sobjects", method="PATCH", json=body)) or []
        return [_result(update.lead_id, answer) for update, answer in zip(updates, answers, strict=True)]

    def _retry_locked(self, updates: Sequence[FieldUpdate], results: list[UpdateResult]) -> list[UpdateResult]:
        """Rows that somebody else held are tried again one at a time, a little later."""
        for index, update in enumerate(updates):
            for attempt in range(_LOCK_RETRIES):
                if results[index].error_code != LOCKED:
                    break
                time.sleep(random.uniform(0.05, 0.15) * 2**attempt)  # noqa: S311 - jitter
                (results[index],) = self._collection([update])
        return results

    def _bulk(self, updates: Sequence[FieldUpdate]) -> list[UpdateResult]:
        records = [{"Id": u.lead_id, **{name: _bulk_text(value) for name, value in u.values.items()}} for u in updates]
        jobs = self._call(lambda sf: _bulk_leads(sf).update(records=records, wait=1))
        outcomes: dict[str, UpdateResult] = {}
        for job in jobs:
            outcomes |= self._call(partial(_bulk_outcomes, job_id=str(job["job_id"])))
        lost = "Salesforce did not say what became of the record."
        return [outcomes.get(u.lead_id, UpdateResult(u.lead_id, "UNPROCESSED", lost, retryable=True)) for u in updates]

    def _call(self, work: Callable[[Salesforce], T]) -> T:
        """One call in our errors; an expired session is renewed once."""
        with _our_errors():
            try:
                return work(self._connected())
            except SalesforceExpiredSession:
                self._salesforce = None
                return work(self._connected())

    def _connected(self) -> Salesforce:
        with self._login_lock:
            if self._salesforce is None:
                self._salesforce = self._login()
            return self._salesforce

    def _login(self) -> Salesforce:
        session = requests.Session()
        # On the session, not on the call: simple-salesforce drops a call's own headers when it renews a session,
        # and without this one Salesforce re-runs assignment rules and moves owners.
        session.headers["Sforce-Auto-Assign"] = "FALSE"
        session.mount("https://", _Patient(self._settings.url))
        return Salesforce(
            username=self._settings.username,
            consumer_key=self._settings.consumer_key,
            privatekey=self._settings.private_key,
            domain=self._settings.domain,
            session=session,
        )


class _Patient(HTTPAdapter):
    """A time limit on every call, and another host where a sandbox is meant (simple-salesforce insists on https)."""

    def __init__(self, url: str) -> None:
        super().__init__(pool_maxsize=16)
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        if self._url and request.url:
            request.url = re.sub(r"^https://[^/]+", self._url, request.url)
        kwargs["timeout"] = kwargs.get("timeout") or _TIMEOUT_SECONDS
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _lead(record: dict[str, object], crd_field: str) -> CrmLead:
    digits = re.sub(r"\D", "", str(record[crd_field] or ""))
    return CrmLead(str(record["Id"]), int(digits) if digits else None, bool(record["IsConverted"]))


def _result(lead_id: str, answer: dict[str, object]) -> UpdateResult:
    errors = answer["errors"]
    if answer["success"] or not isinstance(errors, list):
        return UpdateResult(lead_id)
    code = str(errors[0]["statusCode"])
    return UpdateResult(lead_id, code, str(errors[0]["message"]), code in _RETRYABLE)


def _bulk_text(value: FieldValue) -> str:
    if value is None:
        return _BULK_NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bulk_leads(salesforce: Salesforce) -> SFBulk2Type:
    bulk = salesforce.bulk2
    assert isinstance(bulk, SFBulk2Handler)  # noqa: S101 - what the attribute gives
    return bulk.Lead


def _bulk_outcomes(salesforce: Salesforce, job_id: str) -> dict[str, UpdateResult]:
    leads = _bulk_leads(salesforce)
    done = {row["sf__Id"]: UpdateResult(row["sf__Id"]) for row in _csv(leads.get_successful_records(job_id))}
    for row in _csv(leads.get_failed_records(job_id)):
        code, _, message = row["sf__Error"].partition(":")
        done[row["Id"]] = UpdateResult(row["Id"], code, message.strip(), code in _RETRYABLE)
    return done


def _csv(text: str) -> Iterator[dict[str, str]]:
    """simple-salesforce's own reader splits at line ends, also those inside a quoted value."""
    return iter(csv.DictReader(io.StringIO(text, newline="")))


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except SalesforceAuthenticationFailed as fault:
        fix = "Check the consumer key, the certificate, the integration user and the machine's clock."
        raise CrmUnavailable(f"Salesforce refused the login: {fault}", fix=fix) from fault
    except SalesforceError as fault:
        if _may_pass(fault):
            raise CrmUnavailable(f"Salesforce answered {fault.status}: {fault}", fix="Retried by itself; check API limits.") from fault
        raise CrmRefused(f"Salesforce answered {fault.status}: {fault}", fix="Check the fields and the permission set.") from fault
    except SalesforceOperationError as fault:
        raise CrmUnavailable(f"Bulk job: {fault}", fix="Retried by itself; see the job in Salesforce Setup.") from fault
    except requests.RequestException as fault:
        raise CrmUnavailable(f"Salesforce did not answer: {fault}", fix="Retried by itself; check its status page.") from fault


def _may_pass(fault: SalesforceError) -> bool:
    return fault.status in {401, 429} or fault.status >= _SERVER_FAULT or "REQUEST_LIMIT_EXCEEDED" in str(fault.content)
