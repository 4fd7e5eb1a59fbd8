"""Which checks there are, in which order they are told."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import requests

from functions.wiring import App, build
from ops.doctor import bus, declared, kept, model, project, running, salesforce, secrets, state, tfvars, warehouse
from ops.doctor.check import Check, Line
from ops.doctor.place import Place
from ops.doctor.rest import GOOGLE, Rest
from shared import config, policies
from shared.adapters.salesforce import SalesforceCrm
from shared.errors import ConfigError
from shared.ports import BulkWarehouse


def of_sandbox(app: App) -> list[Check]:
    """The checks of a sandbox that is up."""
    place = Place(app.settings, "sandbox", "")
    rest = Rest(requests.Session(), place.project, app.settings.bus_url)
    return [
        Check("secrets", "secrets", partial(secrets.given, place), before=True),
        *of_salesforce(place),
        Check("messages", "topics", partial(bus.topics, rest, place)),
        Check("messages", "subscriptions", partial(bus.wiring, rest, place, {})),
        Check("functions", "push endpoints", partial(bus.answers, rest, place)),
        *of_data(app, place),
    ]


def of_salesforce(place: Place) -> list[Check]:
    crm = SalesforceCrm(place.settings.salesforce, policies.salesforce(place.settings.policies))
    return [
        Check("Salesforce", "Salesforce", partial(salesforce.looked_at, crm, place), before=True),
        Check("Salesforce", "stage changes", partial(salesforce.flow, crm, place)),
    ]


def of_data(app: App, place: Place) -> list[Check]:
    """Tables and models, through the ports the functions use."""
    columns = warehouse.live(lambda: cast(BulkWarehouse, app.outside.warehouse))  # both adapters tell the shape of a table
    registry = app.registry
    # One question at a time waits for a laptop's warehouse, which lets one process in; BigQuery takes them side by side.
    parts = [(name,) for name in warehouse.datasets()] if place.cloud else [tuple(warehouse.datasets())]
    return [
        *(Check("warehouse", f"tables of {', '.join(part)}", partial(warehouse.tables, columns, part, place)) for part in parts),
        Check("models", "champion", partial(model.champion, registry, place)),
        Check("models", "challenger", partial(model.challenger, registry, place)),
        Check("models", "contract of the champion", partial(warehouse.contract, registry, columns, place)),
    ]


def of_cloud(environment: str, base: str = GOOGLE, folder: Path = declared.INFRA) -> list[Check]:
    """The checks of a project. What the tfvars of `folder` say holds; credentials are those of the account that asks."""
    path = folder / f"{environment}.tfvars"
    values = tfvars.read(path)
    place, rest = _cloud_place(_signed_in(), base, environment, values)
    return [*of_project(rest, place, path, values), *of_salesforce(place), *of_data(build(place.settings), place)]


def _signed_in() -> requests.Session:
    """ConfigError unless Google takes the credentials at hand now."""
    import google.auth  # noqa: PLC0415 - not on a laptop
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from google.auth.transport.requests import AuthorizedSession, Request  # noqa: PLC0415

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as fault:
        raise ConfigError(f"Google does not let you in: {fault}", fix="gcloud auth application-default login") from fault
    return cast(requests.Session, AuthorizedSession(credentials))  # type: ignore[no-untyped-call]


def of_project(rest: Rest, place: Place, path: Path, values: Mapping[str, Any]) -> list[Check]:
    """All that Google's APIs can answer, in the order in which one thing stands on another."""

    def check(area: str, name: str, look: Callable[..., Iterator[Line]], *more: object, before: bool = True) -> Check:
        return Check(area, name, partial(look, rest, place, *more), before)

    def after(area: str, name: str, look: Callable[..., Iterator[Line]], *more: object) -> Check:
        return check(area, name, look, *more, before=False)

    return [
        Check("settings", path.name, partial(tfvars.lines, path, values), before=True),
        check("project", "project", project.reachable),
        check("project", "your account", project.looks),
        check("project", "APIs before the first build", project.services, declared.apis_before()),
        after("project", "APIs", project.services, declared.apis()),
        check("project", "deploying account", project.deployer),
        check("project", "region", project.region),
        check("project", "CPU quota of Cloud Run", project.quota, project.most_instances(values)),
        check("kept", "buckets before the first build", kept.buckets, ("terraform-state", "artifacts")),
        after("kept", "bucket of models", kept.buckets, ("models",)),
        check("kept", "image repository", kept.images),
        check("kept", "secrets", kept.secrets, values.get("secret_versions", {})),
        after("kept", "datasets", kept.locations),
        check("Terraform", "state", state.clean),
        after("Terraform", "what was made", state.whole),
        after("running", "functions", running.functions),
        after("running", "jobs", running.jobs),
        after("running", "schedules", running.schedules),
        after("running", "accounts", running.accounts),
        after("running", "rights", running.rights),
        after("messages", "topics", bus.topics),
        after("messages", "subscriptions", _wiring),
    ]


def _wiring(rest: Rest, place: Place) -> Iterator[Line]:
    return bus.wiring(rest, place, running.endpoints(rest, place))


def _cloud_place(session: requests.Session, base: str, environment: str, values: Mapping[str, Any]) -> tuple[Place, Rest]:
    """Settings as Terraform will give them to the functions; what the environment says goes before."""
    name = os.environ.get("LEADSCORE_PROJECT", "")
    if not name:
        raise ConfigError("LEADSCORE_PROJECT is not set.", fix="export LEADSCORE_PROJECT=the project's id (gcloud projects list).")
    rest, versions = Rest(session, name, base), values.get("secret_versions", {})
    salesforce = values.get("salesforce", {})
    told = {
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_BUCKET": f"{name}-models",
        "LEADSCORE_DATASET_PREFIX": values.get("dataset_prefix", ""),
        "LEADSCORE_PUSH_ACCOUNT": f"leadscore-push@{name}.iam.gserviceaccount.com",
        "SALESFORCE_DOMAIN": salesforce.get("domain", "login"),
        "SALESFORCE_USERNAME": salesforce.get("username", ""),
        **os.environ,
    }
    for variable, secret in (("SALESFORCE_CONSUMER_KEY", "salesforce-consumer-key"), ("SALESFORCE_PRIVATE_KEY", secrets.PRIVATE_KEY)):
        told.setdefault(variable, kept.read(rest, name, secret, str(versions.get(secret, "1"))))
    return Place(config.load(told), environment, values.get("region", declared.default_region())), rest
