"""The topics, and the subscriptions that push: wired so that nothing is lost, delivered twice in vain, or forgotten."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from ops.doctor import declared
from ops.doctor.check import Line, green, red
from ops.doctor.place import Place
from ops.doctor.rest import Rest
from sandbox.subscriptions import DEAD_LETTER_SUBSCRIPTION
from sandbox.topology import topology

DEAD_LETTERS = "dead-letters"
_REFUSED = {401, 403}

Subscriptions = Mapping[str, Mapping[str, Any]]


def topics(rest: Rest, place: Place) -> Iterator[Line]:
    found = {_last(topic["name"]) for topic in rest.every("pubsub", f"v1/projects/{place.project}/topics", "topics")}
    missing = [name for name in topology().topics if name not in found]
    yield from (red(f"topic {name}", "is not there", place.apply) for name in missing)
    if not missing:
        yield green("topics", f"{', '.join(topology().topics)} are there")


def listed(rest: Rest, place: Place) -> Subscriptions:
    """Subscriptions by name."""
    found = rest.every("pubsub", f"v1/projects/{place.project}/subscriptions", "subscriptions")
    return {_last(each["name"]): each for each in found}


def wiring(rest: Rest, place: Place, endpoints: Mapping[str, str]) -> Iterator[Line]:
    """`endpoints`: each function's own address, by its name; where it is not known, any address will do."""
    found = listed(rest, place)
    for name, function in declared.pushed().items():
        yield from _one(f"subscription {name}", found.get(name), function, place, endpoints.get(function, ""))
    name = f"subscription {DEAD_LETTER_SUBSCRIPTION}"
    waiting = found.get(DEAD_LETTER_SUBSCRIPTION)
    if waiting is None or _last(waiting["topic"]) != DEAD_LETTERS:
        yield red(name, "is not there: dead letters would be dropped", place.apply)
    else:
        yield from _kept(name, waiting, place) or [green(name, "keeps what could not be handled, and never expires")]


def _one(name: str, found: Mapping[str, Any] | None, function: str, place: Place, endpoint: str) -> Iterator[Line]:
    if found is None:
        yield red(name, "is not there: its messages are dropped", place.apply)
        return
    wrong = [*_source(name, found, function, place), *_kept(name, found, place), *_buried(name, found, place)]
    wrong += [*_patient(name, found, function, place), *_addressed(name, found, place, endpoint)]
    yield from wrong
    if not wrong:
        deadline, attempts = found["ackDeadlineSeconds"], topology().retry.max_delivery_attempts
        yield green(name, f"pushes to {found['pushConfig']['pushEndpoint']}; {deadline} s, {attempts} attempts, then {DEAD_LETTERS}")


def _source(name: str, found: Mapping[str, Any], function: str, place: Place) -> Iterator[Line]:
    wanted = topology().functions[function].topic
    if _last(found["topic"]) != wanted:
        yield red(name, f"listens to {_last(found['topic'])}, not to {wanted}", place.apply)
    if found.get("state", "ACTIVE") != "ACTIVE":
        yield red(name, f"is in state {found['state']}: Pub/Sub cannot push", place.apply)


def _kept(name: str, found: Mapping[str, Any], place: Place) -> list[Line]:
    policy = found.get("expirationPolicy")
    if policy is None or policy.get("ttl"):
        days = "31 days" if policy is None else policy["ttl"]
        mend = place.gcloud(f"pubsub subscriptions update {_last(found['name'])} --expiration-period never")
        return [red(name, f"is removed by Pub/Sub after {days} without a message", mend)]
    return []


def _buried(name: str, found: Mapping[str, Any], place: Place) -> Iterator[Line]:
    policy, attempts = found.get("deadLetterPolicy", {}), topology().retry.max_delivery_attempts
    update = f"pubsub subscriptions update {_last(found['name'])} --dead-letter-topic {DEAD_LETTERS} --max-delivery-attempts {attempts}"
    if _last(policy.get("deadLetterTopic", "")) != DEAD_LETTERS:
        yield red(name, "has no dead letter: what cannot be handled is delivered for ever", place.gcloud(update))
    elif policy.get("maxDeliveryAttempts") != attempts:
        yield red(
            name, f"gives up after {policy.get('maxDeliveryAttempts')} attempts; the functions count {attempts}", place.gcloud(update)
        )


def _patient(name: str, found: Mapping[str, Any], function: str, place: Place) -> Iterator[Line]:
    deadline, timeout = int(found["ackDeadlineSeconds"]), topology().functions[function].timeout
    if deadline < timeout:
        mend = place.gcloud(f"pubsub subscriptions update {_last(found['name'])} --ack-deadline {min(600, timeout + 30)}")
        yield red(name, f"waits {deadline} s for an answer, the function works up to {timeout} s: it would be delivered twice", mend)


def _addressed(name: str, found: Mapping[str, Any], place: Place, endpoint: str) -> Iterator[Line]:
    push = found.get("pushConfig", {})
    url, token = push.get("pushEndpoint", ""), push.get("oidcToken", {})
    audience = endpoint or place.settings.push.audience
    if not url:
        yield red(name, "pushes nowhere", place.apply)
    elif endpoint and url != endpoint:
        yield red(name, f"pushes to {url}, its function is at {endpoint}", place.apply)
    if token.get("serviceAccountEmail") != place.settings.push.account:
        account = token.get("serviceAccountEmail", "nobody")
        yield red(name, f"pushes as {account}, the functions let only {place.settings.push.account} in", place.apply)
    elif audience and token.get("audience") != audience:
        yield red(name, f"its token is for {token.get('audience')}, the function demands {audience}", place.apply)


def answers(rest: Rest, place: Place) -> Iterator[Line]:
    """Each push endpoint of a sandbox is up and turns a stranger away. Not asked in the cloud: nothing of ours is public there."""
    for name, found in listed(rest, place).items():
        url = found.get("pushConfig", {}).get("pushEndpoint", "")
        if url and name in declared.pushed():
            yield _answer(f"function {declared.pushed()[name]}", url, place)


def _answer(name: str, url: str, place: Place) -> Line:
    try:
        status = requests.post(url, json={}, timeout=10).status_code
    except requests.RequestException:
        return red(name, f"does not answer at {url}", place.apply)
    if status in _REFUSED:
        return green(name, "answers, and turns strangers away")
    return red(name, f"answered a stranger {status}, not 401", place.apply)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
