"""The project before anything is applied: reachable, paid for, services on, rights given, a region that has what we need."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.doctor import declared
from ops.doctor.check import Line, NotSeen, green, red, unchecked
from ops.doctor.place import Place
from ops.doctor.rest import Absent, Rest
from sandbox.topology import topology

LOOKS = (
    "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy", "serviceusage.services.list", "storage.buckets.get",
    "secretmanager.versions.get", "secretmanager.secrets.getIamPolicy", "pubsub.subscriptions.list", "pubsub.topics.getIamPolicy",
    "cloudfunctions.functions.list", "run.services.getIamPolicy", "run.jobs.list", "bigquery.tables.get", "cloudscheduler.jobs.list",
)  # fmt: skip
"""What an account needs to look at all that the doctor looks at."""
_INSTANCES = 10
_MILLI = 1000


def reachable(rest: Rest, place: Place) -> Iterator[Line]:
    try:
        found = rest.get("cloudresourcemanager", f"v3/projects/{place.project}")
    except (Absent, NotSeen) as fault:
        yield red("project", f"{place.project} cannot be reached: {fault.what}", fault.fix or "gcloud projects list")
        return
    if found["state"] != "ACTIVE":
        yield red("project", f"is {found['state']}", f"gcloud projects undelete {place.project}")
    else:
        yield green("project", f"{place.project} is active")
    paid = rest.get("cloudbilling", f"v1/projects/{place.project}/billingInfo").get("billingEnabled", False)
    link = f"gcloud billing projects link {place.project} --billing-account ACCOUNT   # gcloud billing accounts list"
    yield green("billing", "is on") if paid else red("billing", "is off: nothing can be made", link)


def services(rest: Rest, place: Place, names: list[str]) -> Iterator[Line]:
    asked = [f"projects/{place.project}/services/{name}" for name in names]
    found = rest.get("serviceusage", f"v1/projects/{place.project}/services:batchGet", names=asked)["services"]
    on = {each["name"].rpartition("/")[2] for each in found if each.get("state") == "ENABLED"}
    off = [name for name in names if name not in on]
    yield from (red(f"API {name}", "is off", f"gcloud services enable {name} --project {place.project}") for name in off)
    if not off:
        yield green("APIs", f"{len(names)} are on")


def looks(rest: Rest, place: Place) -> Iterator[Line]:
    """Whether this account may see everything; what it may not is not checked further down."""
    body = {"permissions": list(LOOKS)}
    held = rest.post("cloudresourcemanager", f"v3/projects/{place.project}:testIamPermissions", body).get("permissions", [])
    lacking = [name for name in LOOKS if name not in held]
    if lacking:
        grant = f"gcloud projects add-iam-policy-binding {place.project} --member user:YOU --role"
        yield unchecked("your account", f"it lacks {', '.join(lacking)}", f"{grant} roles/viewer; {grant} roles/iam.securityReviewer")
    else:
        yield green("your account", "may look at everything")


def members(policy: Mapping[str, Any], role: str) -> set[str]:
    """Who holds a role without condition."""
    return {m for b in policy.get("bindings", []) if b["role"] == role and not b.get("condition") for m in b["members"]}


def deployer(rest: Rest, place: Place) -> Iterator[Line]:
    account = f"serviceAccount:leadscore-deploy@{place.project}.iam.gserviceaccount.com"
    policy = rest.post("cloudresourcemanager", f"v3/projects/{place.project}:getIamPolicy", {})
    lacking = [role for role in declared.deploy_roles() if account not in members(policy, role)]
    for role in lacking:
        mend = f"gcloud projects add-iam-policy-binding {place.project} --member {account} --role {role} --condition None"
        yield red("deploying account", f"lacks {role}", mend)
    if not lacking:
        yield green("deploying account", f"leadscore-deploy has its {len(declared.deploy_roles())} roles")


def region(rest: Rest, place: Place) -> Iterator[Line]:
    """Whether each service that lives in a region is there; Cloud Functions in its second generation."""
    for service, version, what in (
        ("cloudfunctions", "v2", "Cloud Functions"),
        ("run", "v1", "Cloud Run"),
        ("cloudscheduler", "v1", "Scheduler"),
    ):
        try:
            found = {each["locationId"]: each for each in rest.every(service, f"{version}/projects/{place.project}/locations", "locations")}
        except NotSeen as fault:
            yield unchecked(f"{what} in {place.region}", fault.what, fault.fix)
            continue
        generations = found.get(place.region, {}).get("metadata", {}).get("environments", ["GEN_2"])
        if place.region not in found or "GEN_2" not in generations:
            fix = f"In infra/{place.environment}.tfvars: region = one of {', '.join(sorted(found)[:40])}"
            yield red(f"{what} in {place.region}", "is not offered", fix)
        else:
            yield green(f"{what} in {place.region}", "is offered")


def quota(rest: Rest, place: Place, most: int) -> Iterator[Line]:
    """Cloud Run refuses a service whose instances could take more CPU than the region grants. `most`: scale.max_instances."""
    name, needed = "CPU quota of Cloud Run", _largest(most) * _MILLI
    path = f"v1beta1/projects/{place.project}/services/run.googleapis.com/consumerQuotaMetrics"
    limits = [limit for metric in rest.every("serviceusage", path, "metrics", view="FULL") for limit in _regional(metric, place.region)]
    if not limits:
        page = f"https://console.cloud.google.com/iam-admin/quotas?project={place.project}"
        yield unchecked(name, f"Google tells no limit for {place.region}", f"Look at {page}: Total CPU allocation, at least {needed:,}")
    elif min(limits) < needed:
        allowed = min(limits) // _MILLI
        fix = f"In infra/{place.environment}.tfvars: scale = {{ max_instances = {max(allowed, 1)} }}, or ask for more on the quotas page"
        yield red(name, f"{needed // _MILLI} instances may run at once, {place.region} grants {allowed} vCPU", fix)
    else:
        yield green(name, f"{min(limits) // _MILLI:,} vCPU granted, {needed // _MILLI} at most in use by one function")


def _largest(most: int) -> int:
    return max(min(function.max_instances or most, most) for function in topology().functions.values())


def most_instances(values: Mapping[str, Any]) -> int:
    return int(values.get("scale", {}).get("max_instances", _INSTANCES))


def _regional(metric: Mapping[str, Any], region: str) -> Iterator[int]:
    """Limits in thousandths of a vCPU: of this region, else the default of all; a negative one is none."""
    if "cpu" not in metric["metric"].lower() or "alloc" not in metric["metric"].lower():
        return
    for limit in metric.get("consumerQuotaLimits", []):
        by_region = {
            bucket.get("dimensions", {}).get("region", ""): int(bucket.get("effectiveLimit", -1)) for bucket in limit["quotaBuckets"]
        }
        found = by_region.get(region, by_region.get("", -1))
        if found >= 0:
            yield found
