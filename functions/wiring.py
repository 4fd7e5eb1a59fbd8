"""The composition root: settings to adapters to use cases, made once per instance."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from functions.catch_up import CatchingUp
from functions.delivery import Delivery
from functions.receive_stage_change import Ingress, OutboundSource
from functions.score_lead import Scoring
from functions.sync_all import Scope
from functions.sync_scores import Syncing
from shared import config, policies
from shared.adapters.oidc import OidcVerifier
from shared.adapters.salesforce import SalesforceCrm
from shared.batches import Batches
from shared.clock import SystemClock
from shared.config import Settings
from shared.ledger import Ledger
from shared.model.registry import ChampionCache, Registry
from shared.ports import Clock, Crm, Objects, Topic, Warehouse

_IDLE_SECONDS = 0.3
"""On a laptop the warehouse is let go when nothing happens, so that the command line can read it meanwhile."""


@dataclass(frozen=True, slots=True)
class Outside:
    """An adapter for each port."""

    clock: Clock
    warehouse: Warehouse
    objects: Objects
    topic: Topic
    crm: Crm


@dataclass(frozen=True, slots=True)
class App:
    delivery: Delivery
    ingress: Ingress
    scoring: Scoring
    syncing: Syncing
    catching_up: CatchingUp
    registry: Registry

    def scope(self, as_of: datetime | None) -> Scope:
        """The scored set as of then, or now."""
        contract = self.scoring.champions.get().contract
        return Scope(self.scoring.warehouse, contract, as_of or self.scoring.clock.now(), self.scoring.policy.open_days)


@cache
def app() -> App:
    return build(config.load())


def build(settings: Settings) -> App:
    warehouse, objects, topic = _local(settings) if settings.backend == "local" else _gcp(settings)
    crm = SalesforceCrm(settings.salesforce, policies.salesforce(settings.policies))
    return assemble(settings, Outside(SystemClock(), warehouse, objects, topic, crm))


def assemble(settings: Settings, outside: Outside) -> App:
    """The use cases on these adapters."""
    clock, warehouse, objects, topic, crm = outside.clock, outside.warehouse, outside.objects, outside.topic, outside.crm
    scoring, salesforce = policies.scoring(settings.policies), policies.salesforce(settings.policies)
    ledger, registry = Ledger(warehouse), Registry(objects)
    champions = ChampionCache(registry, clock, timedelta(seconds=settings.champion_ttl_seconds))
    outbound = OutboundSource(settings.salesforce.organization_id, salesforce.crd_field, salesforce.contacted_at_field)
    return App(
        delivery=Delivery(OidcVerifier(settings.push), topic, settings.max_delivery_attempts, settings.project),
        ingress=Ingress(topic, settings.ingress_secret, scoring.stage, outbound),
        scoring=Scoring(clock, warehouse, ledger, champions, topic, crm, scoring, Batches(warehouse)),
        syncing=Syncing(clock, ledger, crm, topic, salesforce),
        catching_up=CatchingUp(clock, crm, ledger, objects, topic, salesforce.catch_up, scoring.stage, scoring.open_days),
        registry=registry,
    )


def _local(settings: Settings) -> tuple[Warehouse, Objects, Topic]:
    from shared.adapters.directory import DirectoryObjects  # noqa: PLC0415 - the laptop's adapters, not in the cloud
    from shared.adapters.duckdb import DuckDBWarehouse  # noqa: PLC0415
    from shared.adapters.pubsub import RestTopic  # noqa: PLC0415

    return (
        DuckDBWarehouse(settings.world / "warehouse.duckdb", idle_seconds=_IDLE_SECONDS),
        DirectoryObjects(settings.world / "objects"),
        RestTopic(settings.bus_url, settings.project),
    )


def _gcp(settings: Settings) -> tuple[Warehouse, Objects, Topic]:
    from google.cloud.bigquery import Client as BigQueryClient  # noqa: PLC0415 - a second of imports, not on a laptop
    from google.cloud.pubsub_v1 import PublisherClient  # noqa: PLC0415
    from google.cloud.storage import Client as StorageClient  # noqa: PLC0415

    from shared.adapters.bigquery import BigQueryWarehouse  # noqa: PLC0415
    from shared.adapters.gcs import GcsObjects  # noqa: PLC0415
    from shared.adapters.pubsub import PubSubTopic  # noqa: PLC0415

    return (
        BigQueryWarehouse(BigQueryClient(settings.project), settings.dataset_prefix),
        GcsObjects(StorageClient(settings.project), settings.bucket),
        PubSubTopic(PublisherClient(), settings.project),
    )
