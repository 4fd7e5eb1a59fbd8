"""What runs in the project: functions, the job, schedules, the accounts they run as and what these may do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.doctor.bus import DEAD_LETTERS
from ops.doctor.check import Line, NotSeen, green, red
from ops.doctor.place import Place
from ops.doctor.project import members
from ops.doctor.rest import Absent, Rest
from sandbox.topology import topology

Resource = Mapping[str, Any]
PROJECTS = "cloudresourcemanager"


def functions(rest: Rest, place: Place) -> Iterator[Line]:
    found = listed(rest, place)
    for key in topology().functions:
        yield from _function(f"function {key}", found.get(_dashed(key)), key, place)


def listed(rest: Rest, place: Place) -> Mapping[str, Resource]:
    """Functions by name."""
    return _by_name(rest.every("cloudfunctions", f"v2/{_there(place)}/functions", "functions"))


def endpoints(rest: Rest, place: Place) -> Mapping[str, str]:
    """The address each function demands tokens for; empty where the functions may not be looked at."""
    try:
        found = listed(rest, place)
    except NotSeen:
        return {}
    told = {key: found.get(_dashed(key), {}).get("serviceConfig", {}).get("environmentVariables", {}) for key in topology().functions}
    return {key: variables.get("LEADSCORE_PUSH_AUDIENCE", "") for key, variables in told.items()}


def _function(name: str, found: Resource | None, key: str, place: Place) -> Iterator[Line]:
    if found is None:
        yield red(name, "is not there", place.apply)
        return
    config, wrong = found.get("serviceConfig", {}), []
    if found["state"] != "ACTIVE":
        said = "; ".join(message.get("message", "") for message in found.get("stateMessages", []))
        wrong.append(red(name, f"is {found['state']} {said}".rstrip(), place.apply))
    if int(config.get("timeoutSeconds", 0)) != topology().functions[key].timeout:
        wrong.append(
            red(name, f"works up to {config.get('timeoutSeconds')} s, declared are {topology().functions[key].timeout} s", place.apply)
        )
    variables = {*config.get("environmentVariables", {}), *(each["key"] for each in config.get("secretEnvironmentVariables", []))}
    needed = {"LEADSCORE_BACKEND", "LEADSCORE_PROJECT", "LEADSCORE_BUCKET", "LEADSCORE_PUSH_AUDIENCE", "LEADSCORE_PUSH_ACCOUNT"}
    wrong += [red(name, f"is not told {variable}", place.apply) for variable in sorted(needed - variables)]
    yield from wrong or [green(name, f"is active, {topology().functions[key].timeout} s")]


def jobs(rest: Rest, place: Place) -> Iterator[Line]:
    found = _by_name(rest.every("run", f"v2/{_there(place)}/jobs", "jobs"))
    for key, declared in topology().jobs.items():
        name, job = f"job {key}", found.get(_dashed(key))
        if job is None:
            yield red(name, "is not there", place.apply)
        elif job.get("latestCreatedExecution", {}).get("completionStatus") == "EXECUTION_FAILED":
            see = f"gcloud run jobs executions list --job {_dashed(key)} --region {place.region} --project {place.project}"
            yield red(name, "failed when it last ran", f"{see}; docs/operations.md#job-failed")
        elif (told := _arguments(job)) != list(declared.arguments):
            yield red(name, f"is started with {' '.join(told)}, declared is {' '.join(declared.arguments)}", place.apply)
        else:
            yield green(name, f"runs {' '.join(declared.arguments)}")


def _arguments(job: Resource) -> list[str]:
    containers = job.get("template", {}).get("template", {}).get("containers", [{}])
    return list(containers[0].get("args", []))


def schedules(rest: Rest, place: Place) -> Iterator[Line]:
    found = _by_name(rest.every("cloudscheduler", f"v1/{_there(place)}/jobs", "jobs"))
    wanted = [_dashed(key) for key, function in topology().functions.items() if function.trigger == "schedule"]
    for key in [*wanted, *(f"{_dashed(job)}-job" for job in topology().jobs)]:
        yield _schedule(key, found.get(key), place)


def _schedule(key: str, found: Resource | None, place: Place) -> Line:
    name, where = f"schedule {key}", f"--location {place.region} --project {place.project}"
    if found is None:
        return red(name, "is not there", place.apply)
    if found["state"] != "ENABLED":
        return red(name, f"is {found['state']}", f"gcloud scheduler jobs resume {key} {where}")
    code = found.get("status", {}).get("code", 0)
    if code:
        return red(
            name, f"failed when it last ran (code {code})", f"gcloud scheduler jobs run {key} {where}; docs/operations.md#schedule-failing"
        )
    return green(name, f"{found['schedule']} {found.get('timeZone', '')}".rstrip())


def accounts(rest: Rest, place: Place) -> Iterator[Line]:
    found = {each["email"]: each for each in rest.every("iam", f"v1/projects/{place.project}/serviceAccounts", "accounts", pageSize=100)}
    wanted = [_account(f"fn-{_dashed(key)}", place) for key in topology().functions]
    wanted += [_account(f"job-{_dashed(key)}", place) for key in topology().jobs]
    wanted += [_account(name, place) for name in ("leadscore-push", "leadscore-build")]
    wrong = [red(f"account {email}", "is not there", place.apply) for email in wanted if email not in found]
    for email in wanted:
        if found.get(email, {}).get("disabled"):
            mend = f"gcloud iam service-accounts enable {email} --project {place.project}"
            wrong.append(red(f"account {email}", "is disabled", mend))
    yield from wrong or [green("accounts", f"{len(wanted)}, one for each function and job")]


@dataclass(frozen=True, slots=True)
class _Grant:
    """A role on the resource at `path` of a service. `bind` is gcloud's command that gives it."""

    account: str
    role: str
    service: str
    path: str
    bind: str


def rights(rest: Rest, place: Place) -> Iterator[Line]:
    """What fails in silence when it is missing: queries, secrets, publishing, being called, dead letters."""
    wanted = list(_wanted(place, _number(rest, place)))
    policies = {(grant.service, grant.path): _policy(rest, grant) for grant in wanted}
    wrong = [line for grant in wanted for line in _lacking(grant, policies[grant.service, grant.path], place)]
    yield from wrong or [green("rights", f"{len(wanted)} grants on {len(policies)} resources are held")]


def _wanted(place: Place, number: str) -> Iterator[_Grant]:
    project, pubsub = f"projects/{place.project}", f"service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    for key, function in topology().functions.items():
        name, account = _dashed(key), _account(f"fn-{_dashed(key)}", place)
        if function.reads:
            yield _Grant(account, "roles/bigquery.jobUser", PROJECTS, f"v3/{project}", f"projects add-iam-policy-binding {place.project}")
        for secret in function.secrets:
            yield _secret(account, secret, project)
        for topic in function.publishes:
            yield _publisher(account, topic, project)
        if function.trigger != "http":
            bind = f"run services add-iam-policy-binding {name} --region {place.region}"
            yield _Grant(_account("leadscore-push", place), "roles/run.invoker", "run", f"v2/{_there(place)}/services/{name}", bind)
        if function.trigger == "topic":
            bind = f"pubsub subscriptions add-iam-policy-binding {name}"
            yield _Grant(pubsub, "roles/pubsub.subscriber", "pubsub", f"v1/{project}/subscriptions/{name}", bind)
    yield _publisher(pubsub, DEAD_LETTERS, project)


def _secret(account: str, secret: str, project: str) -> _Grant:
    role, bind = "roles/secretmanager.secretAccessor", f"secrets add-iam-policy-binding {secret}"
    return _Grant(account, role, "secretmanager", f"v1/{project}/secrets/{secret}", bind)


def _publisher(account: str, topic: str, project: str) -> _Grant:
    return _Grant(
        account, "roles/pubsub.publisher", "pubsub", f"v1/{project}/topics/{topic}", f"pubsub topics add-iam-policy-binding {topic}"
    )


def _policy(rest: Rest, grant: _Grant) -> Resource | None:
    """None where the resource is not there, which its own check says."""
    path = f"{grant.path}:getIamPolicy"
    try:
        found: Resource = rest.post(grant.service, path, {}) if grant.service == PROJECTS else rest.get(grant.service, path)
    except Absent:
        return None
    return found


def _lacking(grant: _Grant, policy: Resource | None, place: Place) -> Iterator[Line]:
    member = f"serviceAccount:{grant.account}"
    if policy is not None and member not in members(policy, grant.role):
        mend = f"gcloud {grant.bind} --member {member} --role {grant.role} --project {place.project}"
        yield red(f"rights of {grant.account.partition('@')[0]}", f"lacks {grant.role} on {grant.path.rpartition('/')[2]}", mend)


def _number(rest: Rest, place: Place) -> str:
    return str(rest.get("cloudresourcemanager", f"v3/projects/{place.project}")["name"]).rpartition("/")[2]


def _account(name: str, place: Place) -> str:
    return f"{name}@{place.project}.iam.gserviceaccount.com"


def _by_name(items: Iterator[Resource]) -> dict[str, Resource]:
    return {each["name"].rpartition("/")[2]: each for each in items}


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def _there(place: Place) -> str:
    return f"projects/{place.project}/locations/{place.region}"
