"""The composition root: settings to adapters to use cases, each made where a function first needs it, once per instance."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Protocol

from functions.catch_up import CatchingUp
from functions.delivery import Delivery
from functions.receive_stage_change import Ingress, OutboundSource
from functions.score_lead import Scoring
from functions.sync_all import Scope
from functions.sync_scores import Syncing
from shared import config, policies
from shared.adapters.oidc import OidcVerifier
from shared.batches import Batches
from shared.clock import SystemClock
from shared.config import Settings
from shared.ledger import Ledger
from shared.model.registry import ChampionCache, Registry
from shared.policies import ScoringPolicy
from shared.ports import Clock, Crm, Objects, Topic, Warehouse

_IDLE_SECONDS = 0.3
"""On a laptop the warehouse is let go when nothing happens, so that the command line can read it meanwhile."""


class Outside(Protocol):
    """An adapter for each port."""

    @property
    def clock(self) -> Clock: ...
    @property
    def warehouse(self) -> Warehouse: ...
    @property
    def objects(self) -> Objects: ...
    @property
    def topic(self) -> Topic: ...
    @property
    def crm(self) -> Crm: ...


@dataclass(frozen=True)
class App:
    """The use cases on these adapters, each made when a function first asks for it."""

    settings: Settings
    outside: Outside

    @cached_property
    def delivery(self) -> Delivery:
        settings = self.settings
        return Delivery(OidcVerifier(settings.push), self.outside.topic, settings.max_delivery_attempts, settings.project)

    @cached_property
    def ingress(self) -> Ingress:
        salesforce = policies.salesforce(self.settings.policies)
        outbound = OutboundSource(self.settings.salesforce.organization_id, salesforce.crd_field, salesforce.contacted_at_field)
        return Ingress(self.outside.topic, self.settings.ingress_secret, self._scoring_policy.stage, outbound)

    @cached_property
    def scoring(self) -> Scoring:
        warehouse, clock = self.outside.warehouse, self.outside.clock
        return Scoring(
            clock=clock,
            warehouse=warehouse,
            ledger=Ledger(warehouse),
            batches=Batches(warehouse),
            champions=ChampionCache(self.registry, clock, timedelta(seconds=self.settings.champion_ttl_seconds)),
            topic=self.outside.topic,
            crm=lambda: self.outside.crm,
            policy=self._scoring_policy,
        )

    @cached_property
    def syncing(self) -> Syncing:
        outside = self.outside
        return Syncing(outside.clock, Ledger(outside.warehouse), outside.crm, outside.topic, policies.salesforce(self.settings.policies))

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.outside.objects)

    @cached_property
    def catching_up(self) -> CatchingUp:
        outside, scoring = self.outside, self._scoring_policy
        rules, ledger = policies.salesforce(self.settings.policies).catch_up, Ledger(outside.warehouse)
        return CatchingUp(outside.clock, outside.crm, ledger, outside.objects, outside.topic, rules, scoring.stage, scoring.open_days)

    def scope(self, as_of: datetime | None) -> Scope:
        """The scored set as of then, or now."""
        contract = self.scoring.champions.get().contract
        return Scope(self.outside.warehouse, contract, as_of or self.outside.clock.now(), self._scoring_policy.open_days)

    @cached_property
    def _scoring_policy(self) -> ScoringPolicy:
        return policies.scoring(self.settings.policies)


@cache
def app() -> App:
    return build(config.load())


def build(settings: Settings) -> App:
    return App(settings, Laptop(settings) if settings.backend == "local" else GoogleCloud(settings))


@dataclass(frozen=True)
class _Connected:
    """What a function does not use is not imported: Google's clients cost it most of a second, Salesforce's a tenth."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)

    @cached_property
    def crm(self) -> Crm:
        from shared.adapters.salesforce import SalesforceCrm  # noqa: PLC0415

        return SalesforceCrm(self.settings.salesforce, policies.salesforce(self.settings.policies))


class Laptop(_Connected):
    """The sandbox."""

    @cached_property
    def warehouse(self) -> Warehouse:
        from shared.adapters.duckdb import DuckDBWarehouse  # noqa: PLC0415

        return DuckDBWarehouse(self.settings.world / "warehouse.duckdb", idle_seconds=_IDLE_SECONDS)

    @cached_property
    def objects(self) -> Objects:
        from shared.adapters.directory import DirectoryObjects  # noqa: PLC0415

        return DirectoryObjects(self.settings.world / "objects")

    @cached_property
    def topic(self) -> Topic:
        from shared.adapters.pubsub import RestTopic  # noqa: PLC0415

        return RestTopic(self.settings.bus_url, self.settings.project)


class GoogleCloud(_Connected):
    @cached_property
    def warehouse(self) -> Warehouse:
        from google.cloud.bigquery import Client  # noqa: PLC0415

        from shared.adapters.bigquery import BigQueryWarehouse  # noqa: PLC0415

        return BigQueryWarehouse(Client(self.settings.project), self.settings.dataset_prefix)

    @cached_property
    def objects(self) -> Objects:
        from google.cloud.storage import Client  # noqa: PLC0415

        from shared.adapters.gcs import GcsObjects  # noqa: PLC0415

        return GcsObjects(Client(self.settings.project), self.settings.bucket)

    @cached_property
    def topic(self) -> Topic:
        from google.cloud.pubsub_v1 import PublisherClient  # noqa: PLC0415

        from shared.adapters.pubsub import PubSubTopic  # noqa: PLC0415

        return PubSubTopic(PublisherClient(), self.settings.project)
