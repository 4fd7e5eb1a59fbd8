"""A Salesforce org in memory: leads and their fields, who may write what, limits, and faults on demand."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.policies import SalesforcePolicy

Record = dict[str, object]

USERNAME = "integration@sandbox.example"
ASSIGNMENT_QUEUE = "00G000000000001AAA"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of Lead: `text` (of a length), `number` (of so many digits, `scale` after the point), `datetime`, `boolean`, `reference`."""

    kind: str
    length: int = 0
    updateable: bool = True
    precision: int = 0
    scale: int = 0


@dataclass(slots=True)
class Faults:
    """What is to go wrong. Counts fall as they are used; shares are drawn per call or record.

    `reset_writes`: so many writing calls are carried out and then the connection breaks before the answer.
    `refused_leads`: a validation rule stands against these. `login_refused`: what every login is answered, such as
    "invalid_grant: user hasn't approved this consumer". `clock_ahead_seconds`: by how much Salesforce's clock differs from ours.
    `lead_hidden`: the integration user has no right to the object.
    """

    unavailable_calls: int = 0
    unavailable_share: float = 0.0
    locked_share: float = 0.0
    expire_sessions: bool = False
    expire_share: float = 0.0
    slow_seconds: float = 0.0
    slow_calls: int = 0
    reset_writes: int = 0
    stuck_jobs: bool = False
    refused_leads: tuple[str, ...] = ()
    login_refused: str = ""
    clock_ahead_seconds: float = 0.0
    lead_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one record was not written, in Salesforce's words."""

    code: str
    message: str


@dataclass(slots=True)
class Setup:
    """What is installed: permission sets of the integration user, flows and whether each is active.

    `visible`: whether the integration user may look at it, which takes "View Setup and Configuration".
    """

    permission_sets: tuple[str, ...] = ("Lead_Score_Integration",)
    flows: Mapping[str, bool] = field(default_factory=lambda: {"Lead_Contacted": True})
    visible: bool = True

    def records(self, table: str) -> list[Record] | None:
        """The rows of a table of Salesforce's setup; None where there is no such table for this user."""
        if table == "PermissionSetAssignment" and self.visible:
            return [
                {"Id": f"0Pa{n}", "PermissionSet.Name": name, "Assignee.Username": USERNAME} for n, name in enumerate(self.permission_sets)
            ]
        if table == "FlowDefinitionView" and self.visible:
            return [{"Id": f"300{n}", "ApiName": name, "IsActive": active} for n, (name, active) in enumerate(self.flows.items())]
        return None


@dataclass(slots=True)
class Org:
    """`fields` and `leads` of the org. All changes go through `write`, under one lock."""

    fields: dict[str, FieldSpec]
    leads: dict[str, Record]
    daily_limit: int = 100_000
    faults: Faults = field(default_factory=Faults)
    setup: Setup = field(default_factory=Setup)
    calls: int = 0
    sessions: set[str] = field(default_factory=set)
    write_log: list[tuple[float, str]] = field(default_factory=list)
    repeated_writes: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - reproducible faults

    def strikes(self, fault: str) -> bool:
        """Whether a fault strikes now: one of a counted number, or drawn by its share."""
        with self.lock:
            left = getattr(self.faults, fault)
            if isinstance(left, float):
                struck = left > 0 and self.chance.random() < left
            else:
                struck = left > 0
                setattr(self.faults, fault, max(0, left - 1))
            self.struck[fault] += struck
            return struck

    def unknown_fields(self, values: Mapping[str, object]) -> list[str]:
        return [name for name in values if name not in self.fields]

    def write(self, lead_id: str, values: Mapping[str, object], *, auto_assign: bool) -> Refusal | None:
        """Apply an update as Salesforce would. Without Sforce-Auto-Assign: FALSE the assignment rule moves the owner."""
        with self.lock:
            refusal = self._refusal(lead_id, values)
            if refusal is None:
                lead = self.leads[lead_id]
                self.repeated_writes += all(name in lead and lead[name] == value for name, value in values.items())
                lead.update(values)
                lead["SystemModstamp"] = now()
                if auto_assign:
                    lead["OwnerId"] = ASSIGNMENT_QUEUE
                self.write_log.append((time.time(), lead_id))
            return refusal

    def _refusal(self, lead_id: str, values: Mapping[str, object]) -> Refusal | None:
        lead = self.leads.get(lead_id)
        if lead is None:
            return Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if lead.get("IsDeleted"):
            return Refusal("ENTITY_IS_DELETED", "entity is deleted")
        if lead.get("IsConverted"):
            return Refusal("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        if self.faults.locked_share and self.chance.random() < self.faults.locked_share:
            self.struck["locked_share"] += 1
            return Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        if lead_id in self.faults.refused_leads:
            self.struck["refused_leads"] += 1
            return Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "a validation rule stands against it")
        return next((fault for name, value in values.items() if (fault := self._misfit(name, value))), None)

    def _misfit(self, name: str, value: object) -> Refusal | None:
        spec = self.fields[name]
        if not spec.updateable:
            return Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}")
        if value is None:
            return None
        if spec.kind == "text" and len(str(value)) > spec.length:
            return Refusal("STRING_TOO_LONG", f"{name}: data value too large (max length={spec.length})")
        if spec.kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            return Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{name}: value not of required type: {value}")
        return None


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def lead_fields(policy: SalesforcePolicy) -> dict[str, FieldSpec]:
    """Lead as this org has it: standard fields, the stage stamps, and the score fields the policy names."""
    text = {name: FieldSpec("text", 255) for name in ("FirstName", "LastName", "Company", "Status", policy.crd_field)}
    stamps = {f"Stage_Entered_{s}__c": FieldSpec("datetime") for s in ("New", "Contacting", "Call_Scheduled", "Closed")}
    names = policy.fields
    return {
        "Id": FieldSpec("reference", updateable=False),
        "OwnerId": FieldSpec("reference"),
        "IsConverted": FieldSpec("boolean", updateable=False),
        "IsDeleted": FieldSpec("boolean", updateable=False),
        "SystemModstamp": FieldSpec("datetime", updateable=False),
        **text,
        **stamps,
        names.score: FieldSpec("number", precision=6),
        names.probability: FieldSpec("number", precision=9, scale=6),
        names.percentile: FieldSpec("number", precision=5, scale=2),
        names.band: FieldSpec("text", 20),
        names.action: FieldSpec("text", 40),
        names.reasons: FieldSpec("text", 255),
        names.model_version: FieldSpec("text", 50),
        names.scored_at: FieldSpec("datetime"),
    }
