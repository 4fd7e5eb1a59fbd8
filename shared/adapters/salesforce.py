"""Leads in Salesforce through simple-salesforce: collections of 200, Bulk 2.0 above a threshold."""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from simple_salesforce.api import Salesforce

from shared.adapters.salesforce_bulk import bulk_update
from shared.adapters.salesforce_session import SalesforceSession
from shared.clock import isoformat, parse_instant
from shared.config import SalesforceSettings
from shared.policies import SalesforcePolicy
from shared.ports import CrmContact, CrmLead, FieldUpdate, UpdateResult

T = TypeVar("T")

LOCKED = "UNABLE_TO_LOCK_ROW"
_RETRYABLE = frozenset({LOCKED, "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION"})
_LOCK_PAUSES = (0.1, 0.3, 0.9)
_READ_PAGE = 2000


@dataclass(frozen=True, slots=True)
class LeadField:
    """A field as this user sees it. `kind` is Salesforce's word: string, double, datetime; `precision` counts all digits."""

    kind: str
    length: int
    precision: int
    scale: int
    updateable: bool


class SalesforceCrm:
    """The integration user's view of Lead. `settings.url` sends every call to a sandbox server instead."""

    def __init__(self, settings: SalesforceSettings, policy: SalesforcePolicy) -> None:
        self._policy = policy
        self._session = SalesforceSession(settings, policy)

    def leads(self, lead_ids: Sequence[str], fields: Sequence[str] = ()) -> list[CrmLead]:
        found: list[CrmLead] = []
        names = ["Id", "IsConverted", self._policy.crd_field, *fields]
        for page in _pages(lead_ids, _READ_PAGE):
            body = {"ids": list(page), "fields": names}
            records = self._session.call(partial(Salesforce.restful, path="composite/sobjects/Lead", method="POST", json=body)) or []
            found += [self._lead(record, fields) for record in records if record]
        return found

    def update(self, updates: Sequence[FieldUpdate]) -> Iterator[list[UpdateResult]]:
        if len(updates) > self._policy.bulk_threshold:
            answered = bulk_update(self._session, updates, self._policy.bulk_timeout_seconds, _RETRYABLE)
            yield self._retry_locked(updates, answered)
            return
        for page in _pages(updates, self._policy.collection_size):
            yield self._retry_locked(page, self._collection(page))

    def writable_fields(self) -> Mapping[str, int]:
        return {name: field.length for name, field in self.fields().items() if field.updateable}

    def fields(self) -> Mapping[str, LeadField]:
        """The fields of Lead that field-level security lets this user see."""
        described = self._session.call(partial(Salesforce.restful, path="sobjects/Lead/describe")) or {"fields": []}
        return {
            field["name"]: LeadField(field["type"], int(field["length"]), int(field["precision"]), int(field["scale"]), field["updateable"])
            for field in described["fields"]
        }

    def select(self, soql: str) -> list[Mapping[str, object]]:
        """Records of any object. CrmRefused where this user may not see it."""
        return list(self._session.call(partial(Salesforce.query_all, query=soql))["records"])

    def clock_ahead(self) -> timedelta | None:
        """By how much Salesforce's clock was ahead of ours at its last answer, a refused login included; None before one."""
        return self._session.clock_ahead

    def contacts(self, modified_since: datetime, entered_since: datetime) -> list[CrmContact]:
        entered, crd = self._policy.contacted_at_field, self._policy.crd_field
        soql = (
            f"SELECT Id, {crd}, {entered}, SystemModstamp FROM Lead WHERE SystemModstamp >= {_soql(modified_since)}"
            f" AND {entered} >= {_soql(entered_since)} ORDER BY SystemModstamp"
        )
        records = self._session.call(partial(Salesforce.query_all, query=soql))["records"]
        return [
            CrmContact(str(r["Id"]), _digits(r[crd]), parse_instant(str(r[entered])), parse_instant(str(r["SystemModstamp"])))
            for r in records
        ]

    def usage(self) -> tuple[int, int]:
        """API calls the org used today, and how many it may."""
        limits = self._session.call(Salesforce.limits)["DailyApiRequests"]
        return limits["Max"] - limits["Remaining"], limits["Max"]

    def close(self) -> None:
        self._session.close()

    def _lead(self, record: Mapping[str, object], fields: Sequence[str]) -> CrmLead:
        values = {name: record.get(name) for name in fields}
        crd = _digits(record.get(self._policy.crd_field))
        return CrmLead(str(record["Id"]), crd, bool(record["IsConverted"]), values)  # type: ignore[arg-type]

    def _collection(self, updates: Sequence[FieldUpdate]) -> list[UpdateResult]:
        records = [{"attributes": {"type": "Lead"}, "id": u.lead_id, **u.values} for u in updates]
        body = {"allOrNone": False, "records": records}
        answers = self._session.call(partial(Salesforce.restful, path="composite/sobjects", method="PATCH", json=body)) or []
        return [_result(update.lead_id, answer) for update, answer in zip(updates, answers, strict=True)]

    def _retry_locked(self, updates: Sequence[FieldUpdate], results: list[UpdateResult]) -> list[UpdateResult]:
        """Rows that somebody else held are tried again a little later, one call after the other."""
        for pause in _LOCK_PAUSES:
            locked = [index for index, result in enumerate(results) if result.error_code == LOCKED]
            if not locked:
                break
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            for page in _pages(locked, self._policy.collection_size):
                for index, result in zip(page, self._collection([updates[i] for i in page]), strict=True):
                    results[index] = result
        return results


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _soql(moment: datetime) -> str:
    """SOQL knows whole seconds; down to the second before, so that nothing is left out."""
    return isoformat(moment.replace(microsecond=0))


def _digits(text: object) -> int | None:
    digits = re.sub(r"\D", "", str(text or ""))
    return int(digits) if digits else None


def _result(lead_id: str, answer: Mapping[str, object]) -> UpdateResult:
    errors = answer["errors"]
    if answer["success"] or not isinstance(errors, list):
        return UpdateResult(lead_id)
    code = str(errors[0]["statusCode"])
    return UpdateResult(lead_id, code, str(errors[0]["message"]), code in _RETRYABLE)
