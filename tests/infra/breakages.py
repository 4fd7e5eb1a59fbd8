"""Deliberate faults in `infra/`: each must be refused, by terraform, by the policy rules or by the contracts with the code."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from tests.infra import contracts, workshop
from tests.infra.plan import Plan
from tests.infra.workshop import Workshop

By = Literal["terraform", "policy", "contract"]


@dataclass(frozen=True, slots=True)
class Breakage:
    """In `file`, `old` becomes `new`; `by` must refuse it in words that hold `says`."""

    name: str
    file: str
    old: str
    new: str
    by: By
    says: str

    def change(self, text: str) -> str:
        changed = re.sub(self.old, self.new, text, count=1, flags=re.MULTILINE | re.DOTALL)
        assert changed != text, f"{self.name}: {self.file} no longer holds {self.old!r}"
        return changed


@dataclass(frozen=True, slots=True)
class Answer:
    """Who refused, and in what words; nobody when `by` is None."""

    by: By | None
    words: str

    def refuses(self, breakage: Breakage) -> bool:
        return self.by == breakage.by and breakage.says in self.words


def _terraform(name: str, file: str, old: str, new: str, says: str) -> Breakage:
    return Breakage(name, file, old, new, "terraform", says)


def _policy(name: str, file: str, old: str, new: str, says: str) -> Breakage:
    return Breakage(name, file, old, new, "policy", says)


def _contract(name: str, file: str, old: str, new: str, says: str) -> Breakage:
    return Breakage(name, file, old, new, "contract", says)


BREAKAGES = (
    _terraform("a function slower than Pub/Sub waits", "functions.yaml", "timeout_seconds: 300", "timeout_seconds: 900", "above 600"),
    _terraform("a message trigger without a topic", "functions.yaml", r"    topic: lead-contacted\n", "", "needs topic:"),
    _terraform("a topic nobody declares", "functions.yaml", "topic: lead-scored", "topic: lead-score", "lead-score"),
    _terraform("publishing to a topic nobody declares", "functions.yaml", r"publishes: \[lead-scored", "publishes: [scored", "topic not in topics"),
    _terraform("a schedule of four fields", "functions.yaml", '"0 3 . . ."', '"0 3 * *"', "five-field cron"),
    _terraform("a secret no setting is read from", "functions.yaml", "ingress-secret", "salesforce-password", "salesforce-password"),
    _terraform("a dataset no table is in", "functions.yaml", r"reads: \[crm, vendor, scores, monitoring\]", "reads: [vendors]", "vendors"),
    _terraform("a table nobody declares", "functions.yaml", "scores.sync_receipts", "scores.receipts", "scores.receipts"),
    _terraform("too few attempts", "functions.yaml", "max_delivery_attempts: 5", "max_delivery_attempts: 3", "at least 5"),
    _terraform("a function name too long for an account", "functions.yaml", "  score_lead:", "  score_lead_as_soon_as_it_is_contacted:", "6-30 chars"),
    _terraform("more writers than BigQuery lets wait", "functions.yaml", "concurrency: 1", "concurrency: 8", "lets 20 wait"),
    _terraform("YAML that is none", "functions.yaml", "functions:", "functions: [", "yamldecode"),
    _terraform("a partition column that is not there", "tables/scores.ledger.json", '"field": "scored_at"', '"field": "scored"', "that schema does not have"),
    _terraform("a key column that is not there", "tables/scores.ledger.json", r'"key": \["lead_id"', '"key": ["lead"', "that schema does not have"),
    _terraform("a table in another's file", "tables/scores.ledger.json", '"table": "scores.ledger"', '"table": "scores.log"', "is of another table"),
    _terraform("JSON that is none", "tables/scores.ledger.json", r"\{", "", "jsondecode"),
    _terraform("an endpoint without TLS", "topology.tf", '"https://"', '"http://"', "push endpoints must be https"),
    _terraform("an argument that does not exist", "subscriptions.tf", "ack_deadline_seconds ", "ack_deadline ", "not expected here"),
    _terraform("a retention without its unit", "topics.tf", '"604800s"', '"604800"', "seconds with the suffix s"),
    _terraform("a bucket name in capitals", "buckets.tf", "-models", "-Models", "lower-case letters"),
    _terraform("a dashboard that is no JSON", "dashboard.json", r"\{", "", "invalid JSON"),
    _terraform("a resource nobody made", "subscriptions.tf", "google_service_account.push.email", "google_service_account.pusher.email", "undeclared resource"),
    _terraform("two kinds of token", "schedules.tf", "oidc_token {", 'oauth_token {\n      service_account_email = "a@example.com"\n    }\n    oidc_token {', "exclude each other"),
    _terraform("an unprotected prod", "prod.tfvars", "protected   = true", "protected   = false", "prod stays protected"),
    _terraform("a setting left out", "prod.tfvars", "salesforce ", "sales_force ", "No value for required variable"),
    _policy("no dead letter", "subscriptions.tf", r"  dead_letter_policy \{.*?\n  \}\n", "", "no dead letter policy"),
    _policy("a subscription that expires", "subscriptions.tf", r"  expiration_policy \{.*?\n  \}\n", "", "expires when idle"),
    _policy("a push without a token", "subscriptions.tf", r"    oidc_token \{.*?\n    \}\n", "", "without an OIDC token"),
    _contract("Pub/Sub may not forward a dead letter", "subscriptions.tf", '"roles/pubsub.publisher"', '"roles/pubsub.viewer"', "may not forward"),
    _policy("Pub/Sub may not acknowledge what it forwards", "subscriptions.tf", '"roles/pubsub.subscriber"', '"roles/pubsub.viewer"', "cannot acknowledge"),
    _policy("exactly once, which a push cannot do", "subscriptions.tf", "(  expiration_policy)", r"  enable_exactly_once_delivery = true\n\1", "pull only"),
    _policy("a function on the internet", "functions.tf", "ALLOW_INTERNAL_ONLY", "ALLOW_ALL", "reachable from the internet"),
    _policy("a function called by anybody", "functions.tf", r"google_service_account.push.member\n", 'allUsers"\n'.replace("allUsers", '"allUsers'), "granted to the public"),
    _policy("no cap on instances", "functions.tf", r"    max_instance_count  .*?\n", "    max_instance_count = 0\n", "no instance cap"),
    _policy("the default account", "functions.tf", r"    service_account_email = .*?\n", "", "default service account"),
    _policy("a secret that moves", "functions.tf", 'secret_environment_variables.key, "1"', 'secret_environment_variables.key, "latest"', "not pinned"),
    _policy("a public bucket", "buckets.tf", '"enforced"', '"inherited"', "public access prevention"),
    _policy("a bucket that goes with its models", "buckets.tf", "force_destroy               = false", "force_destroy               = true", "force_destroy"),
    _policy("a basic role", "access.tf", '"roles/bigquery.jobUser"', '"roles/editor"', "basic role"),
    _policy("an administrator of the project", "access.tf", '"roles/logging.logWriter"', '"roles/storage.admin"', "at project level"),
    _policy("an alert that reaches nobody", "alerts.tf", r"  notification_channels = \[.*?\]\n", "", "notifies nobody"),
    _policy("an alert without a runbook", "alerts.tf", r"  documentation \{.*?\n  \}\n", "", "no runbook"),
    _policy("an alert on a metric nobody counts", "alerts.tf", "local.counted.model_unreadable", r'replace(local.counted.model_unreadable, "unreadable", "gone")', "which nothing defines"),
    _policy("APIs that go with the project's state", "services.tf", "disable_on_destroy = false", "disable_on_destroy = true", "must be false"),
    _contract("a setting under another name", "functions.tf", "LEADSCORE_BUCKET ", "LEADSCORE_MODELS ", "nobody reads LEADSCORE_MODELS"),
    _contract("a setting that is not given", "functions.tf", r"    LEADSCORE_DATASET_PREFIX .*?\n", "", "LEADSCORE_DATASET_PREFIX is not set"),
    _contract("a secret in plain sight", "functions.tf", "(    SALESFORCE_DOMAIN )", r'    SALESFORCE_PRIVATE_KEY = "x"\n\1', "in plain sight"),
    _contract("the laptop's backend", "functions.tf", '"gcp"', '"local"', "LEADSCORE_BACKEND is not gcp"),
    _contract("another audience than the token's", "functions.tf", r"LEADSCORE_PUSH_AUDIENCE .*?\n", 'LEADSCORE_PUSH_AUDIENCE = "leadscore"\n', "another audience"),
    _contract("attempts counted twice", "functions.tf", r"LEADSCORE_MAX_DELIVERY_ATTEMPTS = .*?\n", "LEADSCORE_MAX_DELIVERY_ATTEMPTS = 9\n", "counts other attempts"),
    _contract("an entry point nobody wrote", "functions.tf", r"entry_point .*?\n", r'entry_point = "${each.key}_now"' + "\n", "no entry point"),
    _contract("a revision live before it was looked at", "functions.tf", "latest_revision = false", "latest_revision = true", "before the canary"),
    _contract("an impatient subscription", "subscriptions.tf", r"min\(600, each.value.timeout . 30\)", "10", "delivered again while it is still handled"),
    _contract("a bucket of somebody else", "functions.tf", "google_storage_bucket.models.name", '"models"', "no bucket of ours"),
    _contract("a job that is given nothing", "jobs.tf", r"merge\(local.settings, (\{.*?\})\)", r"\1", "LEADSCORE_BACKEND is not set"),
    _contract("a job whose order is not in its image", "functions.yaml", "policies/job.yaml", "config/job.yaml", "holds no config/job.yaml"),
    _contract("a job started with what it does not know", "functions.yaml", "arguments: .train", "arguments: [fit", "does not take 'fit"),
    _contract("a job started past its image", "jobs.tf", "(        args )", r'        command = ["python"]\n\1', "entry point"),
    _contract("a column the writer does not write", "tables/scores.ledger.json", '"margin"', '"log_odds"', "not what LedgerRow writes"),
    _contract("a column that refuses what is written", "tables/scores.sync_receipts.json", '(previous", "type": "STRING", "mode": )"NULLABLE"', r'\1"REQUIRED"', "not what Receipt writes"),
    _contract("a quarantine without the reason", "tables/vendor.employment_quarantine.json", '"reason"', '"why"', "not what QuarantineRow writes"),
    _contract("a message with another field", "schemas/score-page.proto", "as_of", "at", "other fields than PageMessage"),
)  # fmt: skip


def answer(terraform: Workshop, breakage: Breakage) -> Answer:
    """Break a copy, plan it for prod, and ask everybody who may object."""
    with terraform.broken(breakage.file, breakage.change) as broken:
        said = broken.plan("prod", "-lock=false")
        if said.code:
            return Answer("terraform", said.words)
        shown = broken.shown("prod")
    findings: dict[By, Callable[[], Iterator[str]]] = {
        "policy": lambda: workshop.policy().check(shown),
        "contract": lambda: contracts.check(Plan(shown)),
    }
    for by, found in findings.items():
        words = "; ".join(found())
        if words:
            return Answer(by, words)
    return Answer(None, "nobody refused it")


def answers(terraform: Workshop, workers: int) -> dict[Breakage, Answer]:
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(BREAKAGES, pool.map(lambda breakage: answer(terraform, breakage), BREAKAGES), strict=True))
