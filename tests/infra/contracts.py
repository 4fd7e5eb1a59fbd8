"""What code and infrastructure must agree on, checked on a plan: each finding is a sentence."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import functions.main
from functions import delivery, receive_stage_change, score_batch, score_lead
from functions.messages import PageMessage, ScoredMessage, StageChangeMessage
from ops.prospects import Prospect
from shared import config
from shared.batches import BatchPage, BatchRun, ScoreDrift
from shared.ingest.load import FileRow, QuarantineRow
from shared.ledger import Receipt
from shared.score import FeatureLogRow, LedgerRow
from shared.tables import all_tables
from tests.infra import job_contract
from tests.infra.plan import Plan, Resource
from tests.infra.protocol import fields_of

LAPTOP = {"LEADSCORE_WORLD", "LEADSCORE_BUS_URL", "SALESFORCE_URL"}
"""Settings that only the sandbox gives."""
DEFAULTED = {"LEADSCORE_POLICIES", "LEADSCORE_PUSH_ISSUER", "LEADSCORE_PUSH_CERTS_URL"}
"""Settings whose default is right on Google Cloud."""

TOPICS = {receive_stage_change.LEAD_CONTACTED, score_lead.LEAD_SCORED, score_batch.SCORE_PAGE, delivery.DEAD_LETTERS}
MESSAGES: dict[str, type[StageChangeMessage] | type[ScoredMessage] | type[PageMessage]] = {
    "lead-contacted": StageChangeMessage,
    "lead-scored": ScoredMessage,
    "score-page": PageMessage,
}
WRITERS = {
    "scores.ledger": LedgerRow,
    "scores.feature_log": FeatureLogRow,
    "scores.sync_receipts": Receipt,
    "monitoring.batch_runs": BatchRun,
    "monitoring.batch_pages": BatchPage,
    "monitoring.score_drift": ScoreDrift,
    "monitoring.ingested_files": FileRow,
    "scores.prospects": Prospect,
    **{table.name: QuarantineRow for table in all_tables() if table.name.endswith("_quarantine")},
}
BIGQUERY = {
    "str": "STRING",
    "datetime": "TIMESTAMP",
    "float": "FLOAT64",
    "int": "INT64",
    "Status": "STRING",
    "bool": "BOOL",
    "date": "DATE",
}


class _Recorded(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__(LEADSCORE_PROJECT="p", LEADSCORE_BUCKET="b", LEADSCORE_WORLD="w")
        self.asked: set[str] = set()

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        self.asked.add(key)
        return super().get(key, default)


def settings_read() -> set[str]:
    """Every environment variable `shared.config.load` reads, on either backend."""
    asked: set[str] = set()
    for backend in ("gcp", "local"):
        environ = _Recorded()
        environ["LEADSCORE_BACKEND"] = backend
        config.load(environ)
        asked |= environ.asked
    return asked


def check(plan: Plan) -> Iterator[str]:
    """Every way in which the plan does not fit the code."""
    for key, function in plan.resources("google_cloudfunctions2_function").items():
        yield from _function(plan, key, function)
    yield from _topics(plan)
    yield from _tables(plan)
    yield from _objects(plan)
    yield from job_contract.check(plan, settings_read())


def variables(function: Resource) -> dict[str, str]:
    service = function.block("service_config")
    return dict(service["environment_variables"]) | {s["key"]: s["secret"] for s in service["secret_environment_variables"]}


def _function(plan: Plan, key: str, function: Resource) -> Iterator[str]:
    service, entry = function.block("service_config"), function.block("build_config")["entry_point"]
    if not callable(getattr(functions.main, entry, None)):
        yield f"{key}: functions.main has no entry point {entry}"
    given, secrets = variables(function), {s["key"] for s in service["secret_environment_variables"]}
    wanted = settings_read() - LAPTOP - DEFAULTED
    for name in sorted(given.keys() - wanted):
        yield f"{key}: nobody reads {name}"
    hidden = {name for name in wanted if re.search(r"SECRET|KEY", name)}
    for name in sorted((wanted - hidden) - given.keys()):
        yield f"{key}: {name} is not set"
    for name in sorted(hidden & given.keys() - secrets):
        yield f"{key}: {name} is a secret in plain sight"
    if service["all_traffic_on_latest_revision"]:
        yield f"{key}: a new revision takes all traffic before the canary has looked at it"
    if given.get("LEADSCORE_BACKEND") != "gcp":
        yield f"{key}: LEADSCORE_BACKEND is not gcp"
    yield from _push(plan, key, function)


def _push(plan: Plan, key: str, function: Resource) -> Iterator[str]:
    given, service = variables(function), function.block("service_config")
    subscription = plan.resources("google_pubsub_subscription", "push").get(key)
    if subscription is None:
        return
    token = subscription.block("push_config", "oidc_token")
    if token["audience"] != given.get("LEADSCORE_PUSH_AUDIENCE"):
        yield f"{key}: its subscription's token is for another audience"
    if subscription.block("push_config")["push_endpoint"] != token["audience"]:
        yield f"{key}: messages are pushed to another address than the token is for"
    if subscription.block("dead_letter_policy")["max_delivery_attempts"] != int(given.get("LEADSCORE_MAX_DELIVERY_ATTEMPTS", 0)):
        yield f"{key}: it counts other attempts than its subscription"
    if subscription.values["ack_deadline_seconds"] < service["timeout_seconds"]:
        yield f"{key}: a message is delivered again while it is still handled"


def _topics(plan: Plan) -> Iterator[str]:
    made = set(plan.resources("google_pubsub_topic"))
    for name in sorted(TOPICS - made):
        yield f"the code publishes to {name}, which is not made"
    if not any(role == "pubsub.publisher" and on == delivery.DEAD_LETTERS and "gcp-sa-pubsub" in who for who, role, on in plan.rights()):
        yield f"Pub/Sub itself may not forward to {delivery.DEAD_LETTERS}"
    schemas = plan.resources("google_pubsub_schema")
    for name, message in MESSAGES.items():
        if name not in schemas:
            yield f"{name} has no schema"
        elif _fields(schemas[name].values) != set(message.model_fields):
            yield f"the schema of {name} has other fields than {message.__name__}"


def _fields(schema: Mapping[str, Any]) -> set[str]:
    definition = str(schema["definition"])
    return {field["name"] for field in json.loads(definition)["fields"]} if schema["type"] == "AVRO" else fields_of(definition)


def _tables(plan: Plan) -> Iterator[str]:
    made = {r.key: r for r in plan.resources("google_bigquery_table", "tables").values()}
    for name, row in WRITERS.items():
        if name not in made:
            yield f"{row.__name__} is written to {name}, which is not made"
            continue
        declared = [(c["name"], c["type"], c["mode"]) for c in json.loads(made[name].values["schema"])]
        written = [(f.name, *_column(str(f.type if isinstance(f.type, str) else getattr(f.type, "__name__", f.type)))) for f in fields(row)]
        if declared != written:
            yield f"{name} is not what {row.__name__} writes: {sorted(set(declared) ^ set(written))}"


def _column(kind: str) -> tuple[str, str]:
    name, _, rest = kind.partition(" | ")
    return BIGQUERY.get(name, "STRING"), "NULLABLE" if rest else "REQUIRED"


def _objects(plan: Plan) -> Iterator[str]:
    buckets = {r.values["name"] for r in plan.resources("google_storage_bucket").values()}
    for key, function in plan.resources("google_cloudfunctions2_function").items():
        if variables(function).get("LEADSCORE_BUCKET") not in buckets:
            yield f"{key}: LEADSCORE_BUCKET is no bucket of ours"
        source = function.block("build_config", "source", "storage_source")
        if source["bucket"] not in buckets:
            yield f"{key}: its source lies in no bucket of ours"
