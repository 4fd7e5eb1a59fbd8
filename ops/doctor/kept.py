"""What is kept: buckets, the image repository, datasets, secrets and their versions in use."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from ops.doctor import declared
from ops.doctor.check import Line, NotSeen, green, red, unchecked
from ops.doctor.place import Place
from ops.doctor.rest import Absent, Rest
from ops.doctor.secrets import misfit, value
from ops.doctor.warehouse import datasets
from shared.errors import LeadscoreError

BOOTSTRAP = "infra/bootstrap.sh {project} {region} KEY.pem"


def buckets(rest: Rest, place: Place, suffixes: tuple[str, ...]) -> Iterator[Line]:
    for suffix in suffixes:
        yield from _bucket(rest, place, f"{place.project}-{suffix}", _origin(suffix, place))


def _origin(suffix: str, place: Place) -> str:
    return place.apply if suffix == "models" else BOOTSTRAP.format(project=place.project, region=place.region)


def _bucket(rest: Rest, place: Place, bucket: str, make: str) -> Iterator[Line]:
    name = f"bucket {bucket}"
    try:
        found = rest.get("storage", f"storage/v1/b/{bucket}")
    except Absent:
        yield red(name, "is not there", make)
        return
    access = found.get("iamConfiguration", {})
    update = f"gcloud storage buckets update gs://{bucket} --project {place.project}"
    rules = {
        "--uniform-bucket-level-access": access.get("uniformBucketLevelAccess", {}).get("enabled", False),
        "--public-access-prevention": access.get("publicAccessPrevention") == "enforced",
        "--versioning": found.get("versioning", {}).get("enabled", False),
    }
    wrong = [red(name, f"has no {flag.removeprefix('--')}", f"{update} {flag}") for flag, holds in rules.items() if not holds]
    if found["location"].lower() != place.region:
        wrong.append(red(name, f"lies in {found['location'].lower()}, not in {place.region}", _elsewhere(place, found["location"])))
    yield from wrong or [green(name, f"in {place.region}, versioned, closed to the public")]


def images(rest: Rest, place: Place) -> Iterator[Line]:
    path = f"v1/projects/{place.project}/locations/{place.region}/repositories/leadscore"
    if rest.exists("artifactregistry", path):
        yield green("image repository", f"leadscore in {place.region}")
    else:
        yield red("image repository", f"leadscore is not in {place.region}", BOOTSTRAP.format(project=place.project, region=place.region))


def locations(rest: Rest, place: Place) -> Iterator[Line]:
    """A dataset never moves, and a query cannot join across regions."""
    for dataset in datasets():
        full = f"{place.settings.dataset_prefix}{dataset}"
        name = f"dataset {full}"
        try:
            found = rest.get("bigquery", f"bigquery/v2/projects/{place.project}/datasets/{full}")["location"].lower()
        except Absent:
            yield red(name, "is not there", place.apply)
            continue
        yield green(name, f"in {found}") if found == place.region else red(name, f"lies in {found}", _elsewhere(place, found))


def _elsewhere(place: Place, found: str) -> str:
    return f'In infra/{place.environment}.tfvars: region = "{found.lower()}", or dataset_prefix and a project of its own'


def secrets(rest: Rest, place: Place, versions: Mapping[str, Any]) -> Iterator[Line]:
    """Each secret's version that the tfvars pin, or the first."""
    for secret in declared.secrets():
        yield _secret(rest, place, secret, str(versions.get(secret, "1")))


def _secret(rest: Rest, place: Place, secret: str, version: str) -> Line:
    name, add = f"secret {secret}", f"gcloud secrets versions add {secret} --data-file FILE --project {place.project}"
    try:
        state = rest.get("secretmanager", f"{_path(place, secret)}/versions/{version}")["state"]
    except Absent:
        if not rest.exists("secretmanager", _path(place, secret)):
            return red(name, "is not there", BOOTSTRAP.format(project=place.project, region=place.region))
        return red(name, f"has no version {version}, which is the one in use", add)
    except NotSeen as fault:
        return unchecked(name, fault.what, fault.fix)
    if state != "ENABLED":
        mend = f"gcloud secrets versions enable {version} --secret {secret} --project {place.project}" if state == "DISABLED" else add
        return red(name, f"version {version} is {state}", mend)
    held = value(place.settings, secret)
    if held and (wrong := misfit(secret, held)):
        return red(name, f"version {version} {wrong}", add)
    return green(name, f"version {version} is in use")


def read(rest: Rest, project: str, secret: str, version: str) -> str:
    """A secret's value where this account may read it, else nothing: its check says why."""
    try:
        payload = rest.get("secretmanager", f"v1/projects/{project}/secrets/{secret}/versions/{version}:access")["payload"]
    except LeadscoreError:
        return ""
    return base64.b64decode(payload["data"]).decode()


def _path(place: Place, secret: str) -> str:
    return f"v1/projects/{place.project}/secrets/{secret}"
