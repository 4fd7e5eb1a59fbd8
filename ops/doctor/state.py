"""Terraform's state beside what there is: an apply that stopped half-way, and what stood there before Terraform came."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from ops.doctor.check import Line, NotSeen, green, red
from ops.doctor.place import Place
from ops.doctor.rest import Absent, ApiOff, Rest
from ops.doctor.warehouse import datasets
from ops.system import DEAD_LETTER_SUBSCRIPTION
from sandbox.topology import topology


@dataclass(frozen=True, slots=True)
class Thing:
    """A resource Terraform is to make: its address, and the id it is imported by."""

    address: str
    id: str


@dataclass(frozen=True, slots=True)
class State:
    """Addresses that Terraform knows, and of these the ones whose making failed."""

    known: frozenset[str]
    tainted: tuple[str, ...]


def clean(rest: Rest, place: Place) -> Iterator[Line]:
    """Nothing holds the lock, nothing is broken, and nothing is there that the first apply would stumble over."""
    state = _state(rest, place)
    wrong = [*_locked(rest, place), *_tainted(state, place), *_in_the_way(rest, place, state)]
    yield from wrong or [green("Terraform's state", f"{len(state.known)} resources known; nothing is in the way of an apply")]


def whole(rest: Rest, place: Place) -> Iterator[Line]:
    """Everything declared was made."""
    state = _state(rest, place)
    wanted = [thing for kind in _kinds(rest, place) for thing in kind.things]
    missing = [thing for thing in wanted if thing.address not in state.known]
    yield from (red("Terraform's state", f"{thing.address} was not made: the apply stopped half-way", place.apply) for thing in missing)
    if not missing:
        yield green("apply", f"all {len(wanted)} resources that were looked for are Terraform's")


def _state(rest: Rest, place: Place) -> State:
    try:
        said = rest.get("storage", _object(place, "tfstate"), alt="media")
    except Absent:
        return State(frozenset(), ())
    instances = [
        (f"{resource['type']}.{resource['name']}{_index(instance)}", instance)
        for resource in said.get("resources", [])
        if resource.get("mode") == "managed"
        for instance in resource["instances"]
    ]
    tainted = tuple(address for address, instance in instances if instance.get("status") == "tainted")
    return State(frozenset(address for address, _ in instances), tainted)


def _index(instance: Mapping[str, Any]) -> str:
    return f'["{instance["index_key"]}"]' if "index_key" in instance else ""


def _locked(rest: Rest, place: Place) -> Iterator[Line]:
    try:
        lock = rest.get("storage", _object(place, "tflock"), alt="media")
    except Absent:
        return
    who, since = lock.get("Who", "somebody"), lock.get("Created", "some time")
    mend = f"If no build is running: terraform -chdir=infra force-unlock {lock.get('ID', 'ID')}"
    yield red("Terraform's state", f"is locked by {who} since {since}: an apply is running, or died", mend)


def _tainted(state: State, place: Place) -> Iterator[Line]:
    for address in state.tainted:
        yield red("Terraform's state", f"{address} was made only in part", place.apply)


def _in_the_way(rest: Rest, place: Place, state: State) -> Iterator[Line]:
    for kind in _kinds(rest, place):
        there = _there(kind.found)
        for thing in kind.things:
            if thing.id in there and thing.address not in state.known:
                block = f'import {{\\n  to = {thing.address}\\n  id = "{thing.id}"\\n}}\\n'
                yield red(
                    thing.id, "is there and Terraform does not know it: apply would stop at it", f"printf '{block}' >> infra/adopted.tf"
                )
    bucket = f"{place.project}-models"
    try:
        rest.exists("storage", f"storage/v1/b/{bucket}")
    except ApiOff:
        return
    except NotSeen:
        yield red(f"bucket {bucket}", "belongs to another project: names of buckets are the world's", "Choose another project id.")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is declared of one kind, and the import ids of what is found of it."""

    things: tuple[Thing, ...]
    found: Callable[[], set[str]]


def _there(found: Callable[[], set[str]]) -> set[str]:
    try:
        return found()
    except ApiOff:
        return set()


def _kinds(rest: Rest, place: Place) -> Iterator[_Kind]:
    project, region = f"projects/{place.project}", f"projects/{place.project}/locations/{place.region}"
    shape, names = topology(), partial(_names, rest)
    pushed = [key for key, function in shape.functions.items() if function.trigger == "topic"]
    topics = tuple(Thing(f'google_pubsub_topic.topics["{name}"]', f"{project}/topics/{name}") for name in shape.topics)
    yield _Kind(topics, partial(names, "pubsub", f"v1/{project}/topics", "topics"))
    subscriptions = tuple(Thing(f'google_pubsub_subscription.push["{key}"]', f"{project}/subscriptions/{_dashed(key)}") for key in pushed)
    buried = Thing("google_pubsub_subscription.dead_letters", f"{project}/subscriptions/{DEAD_LETTER_SUBSCRIPTION}")
    yield _Kind((*subscriptions, buried), partial(names, "pubsub", f"v1/{project}/subscriptions", "subscriptions"))
    functions = tuple(
        Thing(f'google_cloudfunctions2_function.functions["{key}"]', f"{region}/functions/{_dashed(key)}") for key in shape.functions
    )
    yield _Kind(functions, partial(names, "cloudfunctions", f"v2/{region}/functions", "functions"))
    jobs = tuple(Thing(f'google_cloud_run_v2_job.jobs["{key}"]', f"{region}/jobs/{_dashed(key)}") for key in shape.jobs)
    yield _Kind(jobs, partial(names, "run", f"v2/{region}/jobs", "jobs"))
    emails = {key: f"fn-{_dashed(key)}@{place.project}.iam.gserviceaccount.com" for key in shape.functions}
    accounts = tuple(
        Thing(f'google_service_account.functions["{key}"]', f"{project}/serviceAccounts/{email}") for key, email in emails.items()
    )
    yield _Kind(accounts, partial(names, "iam", f"v1/{project}/serviceAccounts", "accounts"))
    prefix = place.settings.dataset_prefix
    kept = tuple(Thing(f'google_bigquery_dataset.datasets["{name}"]', f"{project}/datasets/{prefix}{name}") for name in datasets())
    yield _Kind(kept, partial(_datasets, rest, project))


def _names(rest: Rest, service: str, path: str, key: str) -> set[str]:
    return {each["name"] for each in rest.every(service, path, key)}


def _datasets(rest: Rest, project: str) -> set[str]:
    found = rest.every("bigquery", f"bigquery/v2/{project}/datasets", "datasets")
    return {f"{project}/datasets/{each['datasetReference']['datasetId']}" for each in found}


def _object(place: Place, suffix: str) -> str:
    name = quote(f"leadscore/{place.environment}/default.{suffix}", safe="")
    return f"storage/v1/b/{place.project}-terraform-state/o/{name}"


def _dashed(key: str) -> str:
    return key.replace("_", "-")
