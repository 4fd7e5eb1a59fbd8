"""The composition root: settings to adapters to use cases, each made where a function first needs it, once per instance."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property

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
from shared.policies import SalesforcePolicy, ScoringPolicy
from shared.ports import Clock, Crm, Objects, Topic, Warehouse

_IDLE_SECONDS = 0.3
"""On a laptop the warehouse is let go when nothing happens, so that the command line can read it meanwhile."""


@cache
def app() -> "App":
    return App(config.load())


@dataclass(frozen=True, slots=True)
class Outside:
    """An adapter for each port."""

    clock: Clock
    warehouse: Warehouse
    objects: Objects
    topic: Topic
    crm: Crm


def assemble(settings: Settings, outside: Outside) -> "App":
    """The use cases on these adapters instead of those the settings name."""
    made = App(settings)
    vars(made).update({name: getattr(outside, name) for name in Outside.__slots__})
    return made


@dataclass(frozen=True)
class App:
    """What a function does not use is not imported: the cloud's clients cost a second, Salesforce's another tenth."""

    settings: Settings

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(OidcVerifier(self.settings.push), self.topic, self.settings.max_delivery_attempts, self.settings.project)

    @cached_property
    def ingress(self) -> Ingress:
        salesforce = self.salesforce_policy
        outbound = OutboundSource(self.settings.salesforce.organization_id, salesforce.crd_field, salesforce.contacted_at_field)
        return Ingress(self.topic, self.settings.ingress_secret, self.scoring_policy.stage, outbound)

    @cached_property
    def scoring(self) -> Scoring:
        return Scoring(
            clock=self.clock,
            warehouse=self.warehouse,
            ledger=Ledger(self.warehouse),
            batches=Batches(self.warehouse),
            champions=ChampionCache(self.registry, self.clock, timedelta(seconds=self.settings.champion_ttl_seconds)),
            topic=self.topic,
            crm=lambda: self.crm,
            policy=self.scoring_policy,
        )

    @cached_property
    def syncing(self) -> Syncing:
        return Syncing(self.clock, Ledger(self.warehouse), self.crm, self.topic, self.salesforce_policy)

    @cached_property
    def catching_up(self) -> CatchingUp:
        rules, scoring = self.salesforce_policy.catch_up, self.scoring_policy
        return CatchingUp(self.clock, self.crm, Ledger(self.warehouse), self.objects, self.topic, rules, scoring.stage, scoring.open_days)

    def scope(self, as_of: datetime | None) -> Scope:
        """The scored set as of then, or now."""
        contract = self.scoring.champions.get().contract
        return Scope(self.warehouse, contract, as_of or self.clock.now(), self.scoring_policy.open_days)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.objects)

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    @cached_property
    def scoring_policy(self) -> ScoringPolicy:
        return policies.scoring(self.settings.policies)

    @cached_property
    def salesforce_policy(self) -> SalesforcePolicy:
        return policies.salesforce(self.settings.policies)

    @cached_property
    def crm(self) -> Crm:
        from shared.adapters.salesforce import SalesforceCrm  # noqa: PLC0415

        return SalesforceCrm(self.settings.salesforce, self.salesforce_policy)

    @cached_property
    def warehouse(self) -> Warehouse:
        if self._is_local:
            from shared.adapters.duckdb import DuckDBWarehouse  # noqa: PLC0415

            return DuckDBWarehouse(self.settings.world / "warehouse.duckdb", idle_seconds=_IDLE_SECONDS)
        from google.cloud.bigquery import Client  # noqa: PLC0415

        from shared.adapters.bigquery import BigQueryWarehouse  # noqa: PLC0415

        return BigQueryWarehouse(Client(self.settings.project), self.settings.dataset_prefix)

    @cached_property
    def objects(self) -> Objects:
        if self._is_local:
            from shared.adapters.directory import DirectoryObjects  # noqa: PLC0415

            return DirectoryObjects(self.settings.world / "objects")
        from google.cloud.storage import Client  # noqa: PLC0415

        from shared.adapters.gcs import GcsObjects  # noqa: PLC0415

        return GcsObjects(Client(self.settings.project), self.settings.bucket)

    @cached_property
    def topic(self) -> Topic:
        if self._is_local:
            from shared.adapters.pubsub import RestTopic  # noqa: PLC0415

            return RestTopic(self.settings.bus_url, self.settings.project)
        from google.cloud.pubsub_v1 import PublisherClient  # noqa: PLC0415

        from shared.adapters.pubsub import PubSubTopic  # noqa: PLC0415

        return PubSubTopic(PublisherClient(), self.settings.project)

    @property
    def _is_local(self) -> bool:
        return self.settings.backend == "local"
