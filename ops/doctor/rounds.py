"""Which checks there are, in which order they are told."""

from functools import partial
from typing import cast

import requests

from functions.wiring import App
from ops.doctor import bus, model, salesforce, secrets, warehouse
from ops.doctor.check import Check
from ops.doctor.place import Place
from ops.doctor.rest import Rest
from shared import policies
from shared.adapters.salesforce import SalesforceCrm
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
    return [
        *(Check("warehouse", f"dataset {name}", partial(warehouse.tables, columns, name, place)) for name in warehouse.datasets()),
        Check("models", "champion", partial(model.champion, registry, place)),
        Check("models", "challenger", partial(model.challenger, registry, place)),
        Check("models", "contract of the champion", partial(warehouse.contract, registry, columns, place)),
    ]


def of_cloud(environment: str) -> list[Check]:
    raise NotImplementedError(environment)
