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
from sandbox.subscriptions import DEAD_LETTER_SUBSCRIPTION
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
    backend = f"-backend-config=bucket={place.project}-terraform-state -backend-config=prefix=leadscore/{place.environment}"
    unlock = f"terraform -chdir=infra init {backend} && terraform -chdir=infra force-unlock {lock.get('ID', 'ID')}"
    mend = f"If no build is running: {unlock}"
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
                adopt = f"printf '{block}' >> infra/adopted.tf"
                yield red(thing.id, "is there and Terraform does not know it: apply would stop at it", adopt)
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
    """Where a name is taken once: topics, subscriptions, functions, jobs, accounts, datasets."""
    project, region, shape = f"projects/{place.project}", f"projects/{place.project}/locations/{place.region}", topology()
    names, host, prefix = partial(_names, rest), f"{place.project}.iam.gserviceaccount.com", place.settings.dataset_prefix
    dashed = {key: key.replace("_", "-") for key in shape.functions}
    pushed = {key: name for key, name in dashed.items() if shape.functions[key].trigger == "topic"}
    topics = _each("google_pubsub_topic.topics", f"{project}/topics", {topic: topic for topic in shape.topics})
    yield _Kind(topics, partial(names, "pubsub", f"v1/{project}/topics", "topics"))
    subscriptions = _each("google_pubsub_subscription.push", f"{project}/subscriptions", pushed)
    buried = Thing("google_pubsub_subscription.dead_letters", f"{project}/subscriptions/{DEAD_LETTER_SUBSCRIPTION}")
    yield _Kind((*subscriptions, buried), partial(names, "pubsub", f"v1/{project}/subscriptions", "subscriptions"))
    functions = _each("google_cloudfunctions2_function.functions", f"{region}/functions", dashed)
    yield _Kind(functions, partial(names, "cloudfunctions", f"v2/{region}/functions", "functions"))
    jobs = _each("google_cloud_run_v2_job.jobs", f"{region}/jobs", {key: key.replace("_", "-") for key in shape.jobs})
    yield _Kind(jobs, partial(names, "run", f"v2/{region}/jobs", "jobs"))
    emails = {key: f"fn-{name}@{host}" for key, name in dashed.items()}
    accounts = _each("google_service_account.functions", f"{project}/serviceAccounts", emails)
    yield _Kind(accounts, partial(names, "iam", f"v1/{project}/serviceAccounts", "accounts"))
    kept = _each("google_bigquery_dataset.datasets", f"{project}/datasets", {name: f"{prefix}{name}" for name in datasets()})
    yield _Kind(kept, partial(_datasets, rest, project))


def _each(resource: str, parent: str, named: Mapping[str, str]) -> tuple[Thing, ...]:
    return tuple(Thing(f'{resource}["{key}"]', f"{parent}/{name}") for key, name in named.items())


def _names(rest: Rest, service: str, path: str, key: str) -> set[str]:
    return {each["name"] for each in rest.every(service, path, key)}


def _datasets(rest: Rest, project: str) -> set[str]:
    found = rest.every("bigquery", f"bigquery/v2/{project}/datasets", "datasets")
    return {f"{project}/datasets/{each['datasetReference']['datasetId']}" for each in found}


def _object(place: Place, suffix: str) -> str:
    name = quote(f"leadscore/{place.environment}/default.{suffix}", safe="")
    return f"storage/v1/b/{place.project}-terraform-state/o/{name}"
