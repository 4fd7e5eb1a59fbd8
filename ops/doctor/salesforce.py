"""Salesforce as the integration user meets it: login, clocks, fields and their rights, permission set, flow, calls left."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from ops.doctor.check import Line, NotSeen, green, red, unchecked
from ops.doctor.declared import FLOW, PERMISSION_SET, FieldWanted, score_fields
from ops.doctor.place import Place
from ops.doctor.secrets import PRIVATE_KEY, misfit
from shared import policies
from shared.adapters.salesforce import LeadField, SalesforceCrm
from shared.errors import CrmRefused, CrmUnavailable
from shared.policies import SalesforcePolicy

_TOLERATED = timedelta(seconds=60)
"""An assertion is good for three minutes: a minute of skew leaves room for a slow call."""
_DEPLOY = "cd salesforce && sf project deploy start"
_OBJECTS = "--source-dir force-app/main/default/objects"
_RIGHTS = "--source-dir force-app/main/default/permissionsets"
_CERTIFICATE = (
    "salesforce/make_certificate.sh DIR, put DIR/salesforce.crt into the external client app, then "
    "gcloud secrets versions add salesforce-private-key --data-file DIR/salesforce.key and raise its version in the tfvars"
)
_APP = "Setup > External Client App Manager"
_DIAGNOSES = (
    (
        "approved",
        "the app does not know this user",
        f"{_APP} > Policies: admin approved users, permission set {PERMISSION_SET}; then {{assign}}",
    ),
    ("audience", "SALESFORCE_DOMAIN is another login host than the org's", "Set salesforce.domain to login, test or your My Domain"),
    ("inactive", "the user is not active", "Setup > Users: activate the integration user"),
    ("locked", "the user is locked", "Setup > Users: unlock the integration user"),
    (
        "client",
        "the consumer key is of no app here",
        f"Copy it from {_APP}: gcloud secrets versions add salesforce-consumer-key --data-file -",
    ),
    ("certificate", "the certificate has expired or is not this key's", _CERTIFICATE),
    ("assertion", "the key does not belong to the app's certificate", _CERTIFICATE),
    ("expired", "the clocks agree, so it is the certificate", _CERTIFICATE),
)
"""A word of Salesforce's refusal, what it means, and what mends it. The first that fits is meant."""


def looked_at(crm: SalesforceCrm, place: Place) -> Iterator[Line]:
    """All that the integration user needs before the first score is written."""
    _at_hand(place)
    policy = policies.salesforce(place.settings.policies)
    try:
        there = crm.fields()
    except (CrmUnavailable, CrmRefused) as fault:
        yield from _clock(crm)
        failed = _not_in(crm, fault, place)
        yield failed
        yield unchecked("fields of Lead", f"the {failed.name} failed")
        yield unchecked(f"permission set {PERMISSION_SET}", f"the {failed.name} failed")
        return
    yield from _clock(crm)
    yield green("login", f"{place.settings.salesforce.username} is let in by JWT")
    yield from _fields(there, policy, place)
    yield _assigned(crm, place)
    yield _calls(crm, policy)


def flow(crm: SalesforceCrm, place: Place) -> Iterator[Line]:
    """What tells us of a stage change, where this user may see it."""
    _at_hand(place)
    name, deploy = f"flow {FLOW}", f"{_DEPLOY} --source-dir force-app/main/default/workflows --source-dir force-app/main/default/flows"
    try:
        found = crm.select(f"SELECT ApiName, IsActive FROM FlowDefinitionView WHERE ApiName = '{FLOW}'")
    except CrmRefused:
        yield unchecked(name, "the integration user may not see setup", f"An administrator looks: Setup > Flows > {FLOW} is active")
    except CrmUnavailable as fault:
        yield unchecked(name, fault.what)
    else:
        if not found:
            yield red(name, "is not installed: no stage change is told, only polled", deploy)
        elif not found[0]["IsActive"]:
            yield red(name, "is not active: no stage change is told, only polled", f"Setup > Flows > {FLOW} > Activate")
        else:
            yield green(name, "is active")


def _at_hand(place: Place) -> None:
    """NotSeen without what a login takes."""
    settings = place.settings.salesforce
    if misfit(PRIVATE_KEY, settings.private_key) or not settings.consumer_key or not settings.username:
        raise NotSeen("user, consumer key or private key is not at hand", fix="Mend the secrets above, or the right to read them.")


def _clock(crm: SalesforceCrm) -> Iterator[Line]:
    ahead = crm.clock_ahead()
    if ahead is None:
        return
    seconds = ahead.total_seconds()
    if abs(ahead) > _TOLERATED:
        way = "behind" if seconds > 0 else "ahead of"
        yield red(
            "clock", f"this machine is {abs(seconds):.0f} s {way} Salesforce: logins expire on the way", "sudo timedatectl set-ntp true"
        )
    else:
        yield green("clock", "within a minute of Salesforce's")


def _not_in(crm: SalesforceCrm, fault: CrmUnavailable | CrmRefused, place: Place) -> Line:
    ahead = crm.clock_ahead()
    if ahead is not None and abs(ahead) > _TOLERATED:
        return red("login", f"{fault.what}: this machine's clock is wrong", "sudo timedatectl set-ntp true")
    if "refused the login" in fault.what:
        said = fault.what.lower()
        for word, meaning, mend in _DIAGNOSES:
            if word in said:
                return red("login", f"{fault.what}: {meaning}", mend.format(assign=_assign(place)))
    return red("look at Lead" if isinstance(fault, CrmRefused) else "login", fault.what, fault.fix)


def _fields(there: Mapping[str, LeadField], policy: SalesforcePolicy, place: Place) -> Iterator[Line]:
    for wanted in score_fields():
        yield _field(wanted, there.get(wanted.name), place)
    for name, kinds in ((policy.crd_field, {"string", "double"}), (policy.contacted_at_field, {"datetime", "date"})):
        found = there.get(name)
        if found is None:
            read = (
                f"{_DEPLOY} {_RIGHTS} gives the right to read it; where the org has no such field, name its own in policies/salesforce.yaml"
            )
            yield red(f"field {name}", "is not there, or this user may not see it", read)
        elif found.kind not in kinds:
            yield red(
                f"field {name}", f"is {found.kind}, not {' or '.join(sorted(kinds))}", "Name another field in policies/salesforce.yaml"
            )
        else:
            yield green(f"field {name}", f"{found.kind}, readable")


def _field(wanted: FieldWanted, found: LeadField | None, place: Place) -> Line:
    name = f"field {wanted.name}"
    if found is None:
        return red(name, "is not there, or this user may not see it", f"{_DEPLOY} {_OBJECTS} {_RIGHTS}")
    small = found.length < wanted.length or found.precision - found.scale < wanted.precision - wanted.scale or found.scale < wanted.scale
    if found.kind != wanted.kind or small:
        is_ = FieldWanted(wanted.name, found.kind, found.length, found.precision, found.scale)
        return red(name, f"is {is_}, needs {wanted}", f"{_DEPLOY} {_OBJECTS}")
    if not found.updateable:
        return red(name, "may not be written by this user", f"{_DEPLOY} {_RIGHTS} && {_assign(place)}")
    return green(name, f"{wanted}, may be written")


def _assigned(crm: SalesforceCrm, place: Place) -> Line:
    name, user = f"permission set {PERMISSION_SET}", place.settings.salesforce.username
    where = f"PermissionSet.Name = '{PERMISSION_SET}' AND Assignee.Username = '{user}'"
    query = f"SELECT Id FROM PermissionSetAssignment WHERE {where}"
    try:
        found = crm.select(query)
    except CrmRefused:
        return unchecked(
            name, "the integration user may not see setup; the fields above say what it may do", f'sf data query --query "{query}"'
        )
    return green(name, f"is assigned to {user}") if found else red(name, f"is not assigned to {user}", _assign(place))


def _assign(place: Place) -> str:
    return f"sf org assign permset --name {PERMISSION_SET} --on-behalf-of {place.settings.salesforce.username}"


def _calls(crm: SalesforceCrm, policy: SalesforcePolicy) -> Line:
    used, allowed = crm.usage()
    said = f"{used:,} of {allowed:,} API calls used today"
    if used >= policy.quota_share * allowed:
        return red("API calls", f"{said}; we stop at {policy.quota_share:.0%}", "docs/operations.md#salesforce-quota")
    return green("API calls", said)
