"""The doctor's round of a Google Cloud project, against APIs that answer on loopback as Google's do."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from werkzeug.serving import make_server

from ops.doctor import declared, rounds, tfvars
from ops.doctor.check import Line, run
from ops.doctor.place import Place
from ops.doctor.rest import Rest
from sandbox import keys
from sandbox.org import USERNAME, Org, lead_fields
from sandbox.salesforce import CONSUMER_KEY, create_app
from shared import config, policies
from shared.config import ROOT
from shared.errors import ConfigError
from tests.conftest import Trained
from tests.fakes.google import PROJECT, REGION, FakeGoogle, a_project_in_order, answering

TFVARS = """# Ours.
environment = "dev"
protected   = false
scale       = { warm = 0, max_instances = 3 }
salesforce  = { domain = "test", username = "leadscore@acme.test" }
alerting = {
  email    = "leadscore@acme.test"
  runbooks = "https://git.acme.test/leadscore/docs/operations.md"
}
"""
P = f"projects/{PROJECT}"
R = f"{P}/locations/{REGION}"


@dataclass
class Patient:
    """A project, its tfvars, and what the doctor says of them."""

    google: FakeGoogle
    base: str
    file: Path

    def lines(self, *, before: bool = False) -> list[Line]:
        values = tfvars.read(self.file)
        told = {"LEADSCORE_BACKEND": "gcp", "LEADSCORE_PROJECT": PROJECT, "LEADSCORE_BUCKET": f"{PROJECT}-models"}
        settings = config.load({**told, "LEADSCORE_PUSH_ACCOUNT": f"leadscore-push@{PROJECT}.iam.gserviceaccount.com"})
        place = Place(settings, "dev", values.get("region", REGION))
        checks = rounds.of_project(Rest(requests.Session(), PROJECT, self.base), place, self.file, values)
        found = run([check for check in checks if check.before or not before], lambda _: None)
        return [line for area in found for line in area.lines]

    def wrong(self, *, before: bool = False) -> list[Line]:
        return [line for line in self.lines(before=before) if line.outcome != "green"]

    def the_one(self, *, before: bool = False) -> Line:
        (line,) = self.wrong(before=before)
        return line


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    google = a_project_in_order()
    file = tmp_path / "dev.tfvars"
    file.write_text(TFVARS)
    with answering(google) as base:
        yield Patient(google, base, file)


def test_a_project_in_order_is_all_green(patient: Patient) -> None:
    lines = patient.lines()
    assert [line for line in lines if line.outcome != "green"] == []
    assert len(lines) > 40
    assert all(not line.mend for line in lines)


BREAKAGES: dict[str, tuple[Callable[[FakeGoogle], object], str, str, str]] = {
    "API off": (lambda g: g.apis.discard("pubsub.googleapis.com"), "API pubsub.googleapis.com", "is off", f"gcloud services enable pubsub.googleapis.com --project {PROJECT}"),
    "no billing": (lambda g: g.resources[f"cloudbilling/v1/{P}/billingInfo"].update(billingEnabled=False), "billing", "is off", "gcloud billing projects link"),
    "project deleted": (lambda g: g.resources[f"cloudresourcemanager/v3/{P}"].update(state="DELETE_REQUESTED"), "project", "DELETE_REQUESTED", "gcloud projects undelete"),
    "deploy role": (lambda g: g.policies[f"cloudresourcemanager/v3/{P}"].remove(next(b for b in g.policies[f"cloudresourcemanager/v3/{P}"] if b["role"] == "roles/run.admin")), "deploying account", "lacks roles/run.admin", "--role roles/run.admin"),
    "conditional role": (lambda g: next(b for b in g.policies[f"cloudresourcemanager/v3/{P}"] if b["role"] == "roles/run.admin").update(condition={"title": "until"}), "deploying account", "lacks roles/run.admin", "--condition None"),
    "region": (lambda g: g.lists[f"cloudfunctions/v2/{P}/locations"].pop(REGION), f"Cloud Functions in {REGION}", "is not offered", "europe-west1"),
    "first generation only": (lambda g: g.lists[f"cloudfunctions/v2/{P}/locations"][REGION]["metadata"].update(environments=["GEN_1"]), f"Cloud Functions in {REGION}", "is not offered", "region = one of"),
    "quota": (lambda g: g.lists[f"serviceusage/v1beta1/{P}/services/run.googleapis.com/consumerQuotaMetrics"]["cpu"]["consumerQuotaLimits"][0]["quotaBuckets"][1].update(effectiveLimit="2000"), "CPU quota of Cloud Run", "3 instances may run at once, us-central1 grants 2 vCPU", "max_instances = 2"),
    "bucket gone": (lambda g: g.take_away(f"storage/storage/v1/b/{PROJECT}-artifacts"), f"bucket {PROJECT}-artifacts", "is not there", f"infra/bootstrap.sh {PROJECT} {REGION}"),
    "bucket open": (lambda g: g.resources[f"storage/storage/v1/b/{PROJECT}-models"]["iamConfiguration"].update(publicAccessPrevention="inherited"), f"bucket {PROJECT}-models", "has no public-access-prevention", "--public-access-prevention"),
    "bucket elsewhere": (lambda g: g.resources[f"storage/storage/v1/b/{PROJECT}-artifacts"].update(location="EU"), f"bucket {PROJECT}-artifacts", "lies in eu, not in us-central1", 'region = "eu"'),
    "no image repository": (lambda g: g.take_away(f"artifactregistry/v1/{R}/repositories/leadscore"), "image repository", "is not in us-central1", "infra/bootstrap.sh"),
    "dataset elsewhere": (lambda g: g.resources[f"bigquery/bigquery/v2/{P}/datasets/scores"].update(location="EU"), "dataset scores", "lies in eu", "region"),
    "secret without a version": (lambda g: g.take_away(f"secretmanager/v1/{P}/secrets/ingress-secret/versions/1"), "secret ingress-secret", "has no version 1", "gcloud secrets versions add ingress-secret"),
    "secret missing": (lambda g: _without(g, f"secretmanager/v1/{P}/secrets/ingress-secret"), "secret ingress-secret", "is not there", "infra/bootstrap.sh"),
    "secret disabled": (lambda g: g.resources[f"secretmanager/v1/{P}/secrets/ingress-secret/versions/1"].update(state="DISABLED"), "secret ingress-secret", "version 1 is DISABLED", "gcloud secrets versions enable 1 --secret ingress-secret"),
    "secret destroyed": (lambda g: g.resources[f"secretmanager/v1/{P}/secrets/ingress-secret/versions/1"].update(state="DESTROYED"), "secret ingress-secret", "is DESTROYED", "gcloud secrets versions add"),
    "function failed": (lambda g: g.item(f"cloudfunctions/v2/{R}/functions/score-lead").update(state="FAILED", stateMessages=[{"message": "Build failed"}]), "function score_lead", "is FAILED Build failed", "gcloud builds submit"),
    "function hurried": (lambda g: g.item(f"cloudfunctions/v2/{R}/functions/sync-all")["serviceConfig"].update(timeoutSeconds=60), "function sync_all", "60 s, declared are 540 s", "gcloud builds submit"),
    "function untold": (lambda g: g.item(f"cloudfunctions/v2/{R}/functions/catch-up")["serviceConfig"]["environmentVariables"].pop("LEADSCORE_BUCKET"), "function catch_up", "is not told LEADSCORE_BUCKET", "gcloud builds submit"),
    "job failed": (lambda g: g.item(f"run/v2/{R}/jobs/train").update(latestCreatedExecution={"completionStatus": "EXECUTION_FAILED"}), "job train", "failed when it last ran", "gcloud run jobs executions list --job train"),
    "job told otherwise": (lambda g: g.item(f"run/v2/{R}/jobs/train")["template"]["template"]["containers"][0].pop("args"), "job train", "declared is train --config policies/job.yaml", "gcloud builds submit"),
    "schedule paused": (lambda g: g.item(f"cloudscheduler/v1/{R}/jobs/score-batch").update(state="PAUSED"), "schedule score-batch", "is PAUSED", "gcloud scheduler jobs resume score-batch"),
    "schedule failing": (lambda g: g.item(f"cloudscheduler/v1/{R}/jobs/score-batch").update(status={"code": 7}), "schedule score-batch", "failed when it last ran (code 7)", "gcloud scheduler jobs run score-batch"),
    "account disabled": (lambda g: g.item(f"iam/v1/{P}/serviceAccounts/leadscore-push@{PROJECT}.iam.gserviceaccount.com").update(disabled=True), f"account leadscore-push@{PROJECT}.iam.gserviceaccount.com", "is disabled", "gcloud iam service-accounts enable"),
    "secret not readable": (lambda g: g.policies.update({f"secretmanager/v1/{P}/secrets/ingress-secret": []}), "rights of fn-receive-stage-change", "lacks roles/secretmanager.secretAccessor on ingress-secret", "gcloud secrets add-iam-policy-binding ingress-secret"),
    "not invocable": (lambda g: g.policies.update({f"run/v2/{R}/services/score-lead": []}), "rights of leadscore-push", "lacks roles/run.invoker on score-lead", f"gcloud run services add-iam-policy-binding score-lead --region {REGION}"),
    "dead letters not forwarded": (lambda g: g.policies.update({f"pubsub/v1/{P}/subscriptions/score-page": []}), "rights of service-415104041262", "lacks roles/pubsub.subscriber on score-page", "gcloud pubsub subscriptions add-iam-policy-binding score-page"),
    "no dead letter": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead").pop("deadLetterPolicy"), "subscription score-lead", "has no dead letter", f"gcloud pubsub subscriptions update score-lead --dead-letter-topic dead-letters --max-delivery-attempts 5 --project {PROJECT}"),
    "other attempts": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead")["deadLetterPolicy"].update(maxDeliveryAttempts=50), "subscription score-lead", "gives up after 50 attempts; the functions count 5", "--max-delivery-attempts 5"),
    "short deadline": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/sync-scores").update(ackDeadlineSeconds=10), "subscription sync-scores", "waits 10 s for an answer, the function works up to 300 s", "--ack-deadline 330"),
    "expires": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead").pop("expirationPolicy"), "subscription score-lead", "31 days", "--expiration-period never"),
    "expires soon": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/dead-letters-dlq").update(expirationPolicy={"ttl": "86400s"}), "subscription dead-letters-dlq", "86400s", "--expiration-period never"),
    "pushes elsewhere": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead")["pushConfig"].update(pushEndpoint="https://old.run.app"), "subscription score-lead", "pushes to https://old.run.app", "gcloud builds submit"),
    "other account": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead")["pushConfig"]["oidcToken"].update(serviceAccountEmail="x@y"), "subscription score-lead", "pushes as x@y", "gcloud builds submit"),
    "other audience": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead")["pushConfig"]["oidcToken"].update(audience="https://old.run.app"), "subscription score-lead", "its token is for https://old.run.app", "gcloud builds submit"),
    "topic deleted": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead").update(topic="_deleted-topic_"), "subscription score-lead", "listens to _deleted-topic_, not to lead-contacted", "gcloud builds submit"),
    "push refused": (lambda g: g.item(f"pubsub/v1/{P}/subscriptions/score-lead").update(state="RESOURCE_ERROR"), "subscription score-lead", "RESOURCE_ERROR", "gcloud builds submit"),
    "locked state": (lambda g: g.resources.update({f"storage/storage/v1/b/{PROJECT}-terraform-state/o/leadscore/dev/default.tflock": {"ID": "1712", "Who": "root@build", "Created": "2026-01-31T10:00:00Z"}}), "Terraform's state", "is locked by root@build since 2026-01-31T10:00:00Z", "&& terraform -chdir=infra force-unlock 1712"),
    "tainted": (lambda g: _state(g)["resources"][3]["instances"][0].update(status="tainted"), "Terraform's state", 'functions["receive_stage_change"] was made only in part', "gcloud builds submit"),
    "bigger than the account": (lambda g: g.held.discard("run.jobs.list"), "your account", "it lacks run.jobs.list", "--role roles/viewer"),
}  # fmt: skip


def _without(google: FakeGoogle, path: str) -> None:
    google.resources = {name: found for name, found in google.resources.items() if not name.startswith(path)}


def _state(google: FakeGoogle) -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    found: dict[str, list[dict[str, list[dict[str, str]]]]] = google.resources[
        f"storage/storage/v1/b/{PROJECT}-terraform-state/o/leadscore/dev/default.tfstate"
    ]
    return found


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_broken_is_named_alone_with_what_mends_it(patient: Patient, breakage: str) -> None:
    act, name, words, mend = BREAKAGES[breakage]
    act(patient.google)
    line = patient.the_one()
    assert line.outcome == ("not checked" if breakage == "bigger than the account" else "red")
    assert line.name == name
    assert words in line.words
    assert mend in line.mend


def test_everything_that_is_broken_is_named_in_one_run(patient: Patient) -> None:
    chosen = ["API off", "quota", "secret disabled", "no dead letter", "not invocable", "bucket open", "locked state"]
    for breakage in chosen:
        BREAKAGES[breakage][0](patient.google)
    assert {line.name for line in patient.wrong()} == {BREAKAGES[breakage][1] for breakage in chosen}


def empty(google: FakeGoogle) -> None:
    """As infra/bootstrap.sh leaves a project: its services on, nothing applied."""
    google.off |= {"pubsub", "bigquery"}
    google.apis = set(declared.apis_before())
    google.resources = {path: found for path, found in google.resources.items() if "tfstate" not in path and "models" not in path}
    google.lists = {path: found for path, found in google.lists.items() if path.endswith(("locations", "consumerQuotaMetrics"))}
    google.lists |= {f"cloudfunctions/v2/{R}/functions": {}, f"run/v2/{R}/jobs": {}, f"iam/v1/{P}/serviceAccounts": {}}


def test_before_the_first_apply_only_what_it_needs_is_asked(patient: Patient) -> None:
    empty(patient.google)
    assert patient.wrong(before=True) == []
    assert len([line for line in patient.wrong() if line.outcome == "red"]) > 20


def test_what_stood_there_before_terraform_came_is_named_before_anything_is_made(patient: Patient) -> None:
    empty(patient.google)
    patient.google.off.discard("pubsub")
    patient.google.lists[f"pubsub/v1/{P}/topics"] = {"lead-scored": {"name": f"{P}/topics/lead-scored"}}
    patient.google.lists[f"pubsub/v1/{P}/subscriptions"] = {}
    patient.google.resources[f"storage/storage/v1/b/{PROJECT}-models"] = 403
    red = [line for line in patient.wrong(before=True) if line.outcome == "red"]
    assert [line.name for line in red] == [f"{P}/topics/lead-scored", f"bucket {PROJECT}-models"]
    assert 'to = google_pubsub_topic.topics["lead-scored"]' in red[0].mend
    assert ">> infra/adopted.tf" in red[0].mend
    assert "belongs to another project" in red[1].words


def test_an_apply_that_stopped_half_way_is_told_from_one_that_never_was(patient: Patient) -> None:
    _state(patient.google)["resources"] = [r for r in _state(patient.google)["resources"] if r["type"] != "google_cloud_run_v2_job"]  # type: ignore[comparison-overlap]
    patient.google.take_away(f"run/v2/{R}/jobs/train")
    patient.google.lists[f"run/v2/{R}/jobs"] = {}
    assert [(line.name, line.words.partition(":")[0]) for line in patient.wrong()] == [
        ("Terraform's state", 'google_cloud_run_v2_job.jobs["train"] was not made'),
        ("job train", "is not there"),
    ]
    assert patient.wrong(before=True) == []


def test_a_service_that_is_off_is_not_called_absent_from_the_region(patient: Patient) -> None:
    patient.google.off.add("run")
    line = next(line for line in patient.wrong(before=True) if line.name == f"Cloud Run in {REGION}")
    assert (line.outcome, line.mend) == ("not checked", f"gcloud services enable run.googleapis.com --project {PROJECT}")


def test_what_may_not_be_looked_at_is_neither_green_nor_red(patient: Patient) -> None:
    patient.google.forbidden = {"secretmanager"}
    wrong = patient.wrong()
    assert {line.outcome for line in wrong} == {"not checked"}
    assert all("may not look" in line.words and "roles/viewer" in line.mend for line in wrong)


def test_an_api_in_trouble_is_a_line_and_no_crash(patient: Patient) -> None:
    patient.google.resources[f"artifactregistry/v1/{R}/repositories/leadscore"] = 503
    line = patient.the_one()
    assert (line.name, line.outcome) == ("image repository", "red")
    assert "artifactregistry does not answer: 503" in line.words


@pytest.mark.parametrize(
    ("old", "new", "words", "mend"),
    [
        ("protected ", "protekted ", "protekted is no variable", "protekted -> protected"),
        ('leadscore@acme.test" }', 'leadscore@example.com" }', "salesforce.username is still the example's: leadscore@example.com", "set salesforce.username"),
        ('environment = "dev"', 'environment = "prod"', "environment is 'prod'", 'environment = "dev"'),
        ("# Ours.", 'entrance = { host = "leads.acme.test", addresses = ["203.0.113.0/24"] }', "messages of no organisation", "organization_id"),
    ],
)  # fmt: skip
def test_wrong_tfvars_are_named_before_anything_is_made(patient: Patient, old: str, new: str, words: str, mend: str) -> None:
    assert old in TFVARS
    patient.file.write_text(TFVARS.replace(old, new))
    line = patient.the_one(before=True)
    assert (line.name, line.outcome) == ("dev.tfvars", "red")
    assert words in line.words
    assert mend in line.mend


@pytest.mark.parametrize(
    ("text", "said"),
    [('a = "x"\nb = ', "end: the end"), ("a = var.b", ":1: '.b'"), ("a = [1, 2\nb = 3", ":2: b"), ("a = %", ":1: '%'"), ("a 3", ":1: 3")],
)
def test_tfvars_that_cannot_be_read_name_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "dev.tfvars").write_text(text)
    with pytest.raises(ConfigError, match=said.replace(".", r"\.").replace("[", r"\[")):
        tfvars.read(tmp_path / "dev.tfvars")


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_tfvars_that_ship_can_be_read_and_are_known_for_examples(environment: str) -> None:
    path = declared.INFRA / f"{environment}.tfvars"
    values = tfvars.read(path)
    assert values["environment"] == environment
    assert {line.words.partition(" is ")[0] for line in tfvars.lines(path, values)} == {
        "salesforce.username", "alerting.email", "alerting.runbooks",
    }  # fmt: skip


@pytest.fixture
def signed_in(patient: Patient, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """The whole way: credentials from a file, secrets, tables and models through Google's own clients, Salesforce by JWT."""
    host = patient.base.removesuffix("/{service}")
    key = keys.private_key(tmp_path / "salesforce.pem")
    email = f"someone@{PROJECT}.iam.gserviceaccount.com"
    account = {"type": "service_account", "client_email": email, "private_key": key, "token_uri": f"{host}/oauth2/token"}
    (tmp_path / "credentials.json").write_text(json.dumps({**account, "private_key_id": "1", "project_id": PROJECT}))
    patient.google.fill("salesforce-private-key", key)
    patient.google.fill("salesforce-consumer-key", CONSUMER_KEY)
    for file in trained.world.objects.rglob("*"):
        if file.is_file():
            patient.google.store(f"{PROJECT}-models", file.relative_to(trained.world.objects).as_posix(), file.read_bytes())
    patient.file.write_text(TFVARS.replace('leadscore@acme.test" }', f'{USERNAME}" }}'))
    org = Org(lead_fields(policies.salesforce(ROOT / "policies")), {})
    server = make_server("127.0.0.1", 0, create_app(org, keys.public_key(key)), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    environ = {
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": PROJECT,
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "credentials.json"),
        "STORAGE_EMULATOR_HOST": f"{host}/storage",
        "BIGQUERY_EMULATOR_HOST": f"{host}/bigquery",
        "SALESFORCE_URL": f"http://127.0.0.1:{server.server_port}",
        "SALESFORCE_DOMAIN": "login",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    yield patient
    server.shutdown()
    thread.join()


def _all(patient: Patient) -> list[Line]:
    found = run(rounds.of_cloud("dev", patient.base, patient.file.parent), lambda _: None)
    return [line for area in found for line in area.lines]


def test_the_whole_round_signs_in_reads_the_secrets_and_looks_at_tables_models_and_salesforce(signed_in: Patient, trained: Trained) -> None:
    lines = _all(signed_in)
    assert [line for line in lines if line.outcome != "green"] == []
    words = {line.name: line.words for line in lines}
    assert words["champion"].startswith(trained.version)
    assert words["tables of scores"] == "4 as infra/tables declares them"
    assert words["login"] == f"{USERNAME} is let in by JWT"


def test_tables_models_and_values_of_secrets_are_red_with_the_command_of_the_cloud(signed_in: Patient, trained: Trained) -> None:
    google, path = signed_in.google, f"bigquery/bigquery/v2/{P}/datasets"
    google.resources[f"{path}/vendor/tables/rep_snapshots"]["schema"]["fields"][:] = [
        field for field in google.resources[f"{path}/vendor/tables/rep_snapshots"]["schema"]["fields"] if field["name"] != "total_assets_m"
    ]
    google.resources[f"{path}/scores/tables/ledger"]["schema"]["fields"][0]["type"] = "FLOAT"
    google.take_away(f"{path}/monitoring/tables/batch_runs")
    google.take_away(f"{path}/scores/tables/latest")
    google.store(f"{PROJECT}-models", f"models/{trained.version}/contract.json", b"{}")
    google.fill("salesforce-private-key", "-----BEGIN CERTIFICATE-----")
    red = {line.name: line for line in _all(signed_in) if line.outcome == "red"}
    assert red.keys() == {
        "column vendor.rep_snapshots.total_assets_m", "column scores.ledger.lead_id", "table monitoring.batch_runs", "champion",
        "secret salesforce-private-key", "view scores.latest",
    }  # fmt: skip
    add = f"bq query --project_id {PROJECT} --use_legacy_sql=false 'ALTER TABLE `vendor.rep_snapshots` ADD COLUMN total_assets_m FLOAT64'"
    assert red["column vendor.rep_snapshots.total_assets_m"].mend == add
    assert "RENAME TO ledger_before" in red["column scores.ledger.lead_id"].mend
    assert red["table monitoring.batch_runs"].mend.startswith(f"gcloud builds submit --project {PROJECT}")
    assert red["champion"].mend.startswith(f"gcloud storage ls -a gs://{PROJECT}-models/models/{trained.version}/")
    assert "no private key in PEM form" in red["secret salesforce-private-key"].words
    assert not any("BEGIN CERTIFICATE" in line.words for line in red.values())


def test_without_credentials_the_command_says_how_to_sign_in(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(ConfigError) as fault:
        rounds.of_cloud("dev", patient.base, patient.file.parent)
    assert fault.value.fix == "gcloud auth application-default login"


def test_without_a_model_the_cloud_is_told_how_to_train_and_promote_one(signed_in: Patient) -> None:
    signed_in.google.take_away(f"storage/download/storage/v1/b/{PROJECT}-models/o/registry/champion.json")
    wrong = {line.name: line for line in _all(signed_in) if line.outcome != "green"}
    assert wrong.keys() == {"champion", "contract of the champion"}
    assert wrong["contract of the champion"].outcome == "not checked"
    assert "docs/deploy.md" in wrong["champion"].mend
    assert f"LEADSCORE_BUCKET={PROJECT}-models ./leadscore models promote VERSION" in wrong["champion"].mend


def test_credentials_google_no_longer_takes_are_one_sentence_and_no_list_of_failures(signed_in: Patient) -> None:
    signed_in.google.signs_in = False
    with pytest.raises(ConfigError, match="Google does not let you in") as fault:
        rounds.of_cloud("dev", signed_in.base, signed_in.file.parent)
    assert fault.value.fix == "gcloud auth application-default login"


def test_without_a_project_the_command_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADSCORE_PROJECT", raising=False)
    with pytest.raises(ConfigError, match="LEADSCORE_PROJECT is not set"):
        rounds._cloud_place(requests.Session(), "http://127.0.0.1:1", "dev", {})
