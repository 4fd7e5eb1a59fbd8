"""Google's REST APIs on loopback, as they answer for one project: shapes of the public reference, resources from what we declare.

A path is a resource; taking it away, or another value under it, breaks the project. `off` and `forbidden` are APIs.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

from ops.doctor import declared
from ops.doctor.project import LOOKS
from sandbox.topology import topology
from shared.tables import all_tables

PROJECT, NUMBER, REGION = "acme-leads", "415104041262", "us-central1"
_PAGE = 3
_API_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
"""BigQuery's API answers in the words of legacy SQL."""


@dataclass
class FakeGoogle:
    resources: dict[str, Any]
    lists: dict[str, dict[str, Any]]
    policies: dict[str, list[dict[str, Any]]]
    apis: set[str]
    held: set[str] = field(default_factory=lambda: set(LOOKS))
    off: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    signs_in: bool = True

    def take_away(self, path: str) -> None:
        """A resource, or everything below a folder."""
        parent, _, name = path.rpartition("/")
        self.resources.pop(path, None)
        self.lists.get(parent, {}).pop(name, None)

    def store(self, bucket: str, name: str, data: bytes) -> None:
        self.resources[f"storage/download/storage/v1/b/{bucket}/o/{name}"] = data

    def fill(self, secret: str, value: str) -> None:
        payload = {"data": base64.b64encode(value.encode()).decode()}
        self.resources[f"secretmanager/v1/projects/{PROJECT}/secrets/{secret}/versions/1:access"] = {"payload": payload}

    def item(self, path: str) -> dict[str, Any]:
        parent, _, name = path.rpartition("/")
        found: dict[str, Any] = self.lists[parent][name]
        return found


def _state(keys: list[tuple[str, list[str | None]]]) -> dict[str, Any]:
    def instance(key: str | None) -> dict[str, Any]:
        return {"attributes": {}, **({"index_key": key} if key else {})}

    resources = [
        {"mode": "managed", "type": name.split(".")[0], "name": name.split(".")[1], "instances": [instance(key) for key in keys_]}
        for name, keys_ in keys
    ]
    return {"version": 4, "serial": 3, "resources": resources}


def a_project_in_order() -> FakeGoogle:
    """A project after a whole apply."""
    shape = topology()
    project, region = f"projects/{PROJECT}", f"projects/{PROJECT}/locations/{REGION}"
    dashed = {key: key.replace("_", "-") for key in (*shape.functions, *shape.jobs)}
    pushed = [key for key, function in shape.functions.items() if function.trigger == "topic"]
    datasets = sorted({table.name.split(".")[0] for table in all_tables()})
    accounts = [f"fn-{dashed[key]}" for key in shape.functions] + [f"job-{dashed[key]}" for key in shape.jobs]
    accounts += ["leadscore-push", "leadscore-build", "leadscore-deploy"]
    state = _state(
        [
            ("google_pubsub_topic.topics", list(shape.topics)),
            ("google_pubsub_subscription.push", [*pushed]),
            ("google_pubsub_subscription.dead_letters", [None]),
            ("google_cloudfunctions2_function.functions", list(shape.functions)),
            ("google_cloud_run_v2_job.jobs", list(shape.jobs)),
            ("google_service_account.functions", list(shape.functions)),
            ("google_bigquery_dataset.datasets", [*datasets]),
        ]
    )
    resources: dict[str, Any] = {
        f"cloudresourcemanager/v3/{project}": {"name": f"projects/{NUMBER}", "projectId": PROJECT, "state": "ACTIVE"},
        f"cloudbilling/v1/{project}/billingInfo": {"name": f"{project}/billingInfo", "billingEnabled": True},
        f"artifactregistry/v1/{region}/repositories/leadscore": {"name": f"{region}/repositories/leadscore", "format": "DOCKER"},
        f"storage/storage/v1/b/{PROJECT}-terraform-state/o/leadscore/dev/default.tfstate": state,
        **{f"storage/storage/v1/b/{PROJECT}-{name}": _bucket(name) for name in ("terraform-state", "artifacts", "models")},
        **{f"bigquery/bigquery/v2/{project}/datasets/{name}": {"location": REGION} for name in datasets},
    }
    shown = {path.stem: {"lead_id": "STRING"} for path in declared.VIEWS.glob("*.sql")}
    for full, columns in ({table.name: table.columns for table in all_tables()} | shown).items():
        dataset, _, name = full.partition(".")
        fields = [{"name": column, "type": _API_TYPES.get(kind, kind), "mode": "NULLABLE"} for column, kind in columns.items()]
        reference = {"projectId": PROJECT, "datasetId": dataset, "tableId": name}
        found = {"kind": "bigquery#table", "tableReference": reference, "schema": {"fields": fields}, "type": "TABLE"}
        resources[f"bigquery/bigquery/v2/{project}/datasets/{dataset}/tables/{name}"] = found
    for secret in declared.secrets():
        path = f"secretmanager/v1/{project}/secrets/{secret}"
        resources[path] = {"name": f"projects/{NUMBER}/secrets/{secret}"}
        resources[f"{path}/versions/1"] = {"name": f"projects/{NUMBER}/secrets/{secret}/versions/1", "state": "ENABLED"}
        resources[f"{path}/versions/1:access"] = {"payload": {"data": base64.b64encode(b"value").decode()}}
    locations = {
        REGION: {"locationId": REGION, "metadata": {"environments": ["GEN_1", "GEN_2"]}},
        "europe-west1": {"locationId": "europe-west1"},
    }
    lists: dict[str, dict[str, Any]] = {
        f"pubsub/v1/{project}/topics": {name: {"name": f"{project}/topics/{name}"} for name in shape.topics},
        f"pubsub/v1/{project}/subscriptions": {
            **{dashed[key]: _subscription(key) for key in pushed},
            "dead-letters-dlq": {
                "name": f"{project}/subscriptions/dead-letters-dlq",
                "topic": f"{project}/topics/dead-letters",
                "ackDeadlineSeconds": 60,
                "pushConfig": {},
                "expirationPolicy": {},
                "state": "ACTIVE",
            },
        },
        f"cloudfunctions/v2/{region}/functions": {dashed[key]: _function(key) for key in shape.functions},
        f"cloudfunctions/v2/{project}/locations": locations,
        f"run/v1/{project}/locations": {name: {"locationId": name} for name in locations},
        f"cloudscheduler/v1/{project}/locations": {name: {"locationId": name} for name in locations},
        f"run/v2/{region}/jobs": {dashed[key]: _job(key) for key in shape.jobs},
        f"cloudscheduler/v1/{region}/jobs": {
            name: {"name": f"{region}/jobs/{name}", "state": "ENABLED", "schedule": schedule, "timeZone": "Etc/UTC", "status": {}}
            for name, schedule in _schedules()
        },
        f"iam/v1/{project}/serviceAccounts": {
            email: {"name": f"{project}/serviceAccounts/{email}", "email": email} for email in map(_email, accounts)
        },
        f"bigquery/bigquery/v2/{project}/datasets": {
            name: {"datasetReference": {"datasetId": name, "projectId": PROJECT}} for name in datasets
        },
        f"serviceusage/v1beta1/{project}/services/run.googleapis.com/consumerQuotaMetrics": {"cpu": _quota(20_000)},
    }
    return FakeGoogle(resources, lists, _policies(), {*declared.apis(), *declared.apis_before()})


def _bucket(name: str) -> dict[str, Any]:
    return {
        "name": f"{PROJECT}-{name}",
        "location": REGION.upper(),
        "versioning": {"enabled": True},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
    }


def _uri(key: str) -> str:
    return f"https://{key.replace('_', '-')}-{NUMBER}.{REGION}.run.app"


def _email(name: str) -> str:
    return f"{name}@{PROJECT}.iam.gserviceaccount.com"


def _subscription(key: str) -> dict[str, Any]:
    return {
        "name": f"projects/{PROJECT}/subscriptions/{key.replace('_', '-')}",
        "topic": f"projects/{PROJECT}/topics/{topology().functions[key].topic}",
        "pushConfig": {"pushEndpoint": _uri(key), "oidcToken": {"serviceAccountEmail": _email("leadscore-push"), "audience": _uri(key)}},
        "ackDeadlineSeconds": min(600, topology().functions[key].timeout + 30),
        "messageRetentionDuration": "604800s",
        "expirationPolicy": {},
        "deadLetterPolicy": {
            "deadLetterTopic": f"projects/{PROJECT}/topics/dead-letters",
            "maxDeliveryAttempts": topology().retry.max_delivery_attempts,
        },
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
        "state": "ACTIVE",
    }


def _function(key: str) -> dict[str, Any]:
    variables = {
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": PROJECT,
        "LEADSCORE_BUCKET": f"{PROJECT}-models",
        "LEADSCORE_PUSH_AUDIENCE": _uri(key),
        "LEADSCORE_PUSH_ACCOUNT": _email("leadscore-push"),
    }
    return {
        "name": f"projects/{PROJECT}/locations/{REGION}/functions/{key.replace('_', '-')}",
        "state": "ACTIVE",
        "environment": "GEN_2",
        "serviceConfig": {"timeoutSeconds": topology().functions[key].timeout, "environmentVariables": variables, "uri": _uri(key)},
    }


def _job(key: str) -> dict[str, Any]:
    container = {"image": "training@sha256:0", "args": list(topology().jobs[key].arguments)}
    return {"name": f"projects/{PROJECT}/locations/{REGION}/jobs/{key}", "template": {"template": {"containers": [container]}}}


def _schedules() -> Iterator[tuple[str, str]]:
    shape = topology()
    yield from ((key.replace("_", "-"), function.schedule) for key, function in shape.functions.items() if function.trigger == "schedule")
    yield from ((f"{key}-job", job.schedule) for key, job in shape.jobs.items())


def _quota(limit: int) -> dict[str, Any]:
    buckets = [{"effectiveLimit": "10000", "defaultLimit": "10000"}, {"effectiveLimit": str(limit), "dimensions": {"region": REGION}}]
    unit = "1/{project}/{region}"
    return {"metric": "run.googleapis.com/cpu_allocation", "consumerQuotaLimits": [{"unit": unit, "quotaBuckets": buckets}]}


def _policies() -> dict[str, list[dict[str, Any]]]:
    """What infra/access.tf and infra/bootstrap.sh grant, by resource."""
    project, agent = f"projects/{PROJECT}", f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    found: dict[str, list[dict[str, Any]]] = {}

    def grant(path: str, role: str, member: str) -> None:
        found.setdefault(path, []).append({"role": role, "members": [member]})

    for role in declared.deploy_roles():
        grant(f"cloudresourcemanager/v3/{project}", role, f"serviceAccount:{_email('leadscore-deploy')}")
    for key, function in topology().functions.items():
        name, account = key.replace("_", "-"), f"serviceAccount:{_email('fn-' + key.replace('_', '-'))}"
        if function.reads:
            grant(f"cloudresourcemanager/v3/{project}", "roles/bigquery.jobUser", account)
        for secret in function.secrets:
            grant(f"secretmanager/v1/{project}/secrets/{secret}", "roles/secretmanager.secretAccessor", account)
        for topic in function.publishes:
            grant(f"pubsub/v1/{project}/topics/{topic}", "roles/pubsub.publisher", account)
        if function.trigger != "http":
            service = f"run/v2/{project}/locations/{REGION}/services/{name}"
            grant(service, "roles/run.invoker", f"serviceAccount:{_email('leadscore-push')}")
        if function.trigger == "topic":
            grant(f"pubsub/v1/{project}/subscriptions/{name}", "roles/pubsub.subscriber", agent)
    grant(f"pubsub/v1/{project}/topics/dead-letters", "roles/pubsub.publisher", agent)
    return found


def create_app(google: FakeGoogle) -> Flask:
    app = Flask("googleapis")

    @app.post("/oauth2/token")
    def token() -> ResponseReturnValue:
        if not google.signs_in:
            return {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, 400
        return {"access_token": "ours", "expires_in": 3600, "token_type": "Bearer"}

    @app.route("/<service>/<path:path>", methods=["GET", "POST"])
    def answer(service: str, path: str) -> ResponseReturnValue:
        if service in google.off:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}
            return _error(403, f"{service}.googleapis.com has not been used in project {NUMBER} before or it is disabled.", [info])
        if service in google.forbidden:
            return _error(403, f"Permission denied on {service}.")
        full, _, method = f"{service}/{unquote(path)}".partition(":")
        asked = {"testIamPermissions": _held, "batchGet": _services, "getIamPolicy": _policy}.get(method)
        return asked(google, full) if asked else _resource(google, f"{full}:{method}" if method else full)

    return app


def _held(google: FakeGoogle, full: str) -> ResponseReturnValue:
    return {"permissions": [name for name in request.get_json()["permissions"] if name in google.held]}


def _services(google: FakeGoogle, full: str) -> ResponseReturnValue:
    names = request.args.getlist("names")
    return {"services": [{"name": n, "state": "ENABLED" if n.rpartition("/")[2] in google.apis else "DISABLED"} for n in names]}


def _policy(google: FakeGoogle, full: str) -> ResponseReturnValue:
    return {"version": 1, "bindings": google.policies[full]} if full in google.policies else _error(404, f"{full} not found.")


def _resource(google: FakeGoogle, full: str) -> ResponseReturnValue:
    """A number in place of a resource is a status; bytes are an object's."""
    if full in google.lists:
        return _listed(google, full)
    found = google.resources.get(full, 404)
    if isinstance(found, bytes):
        checksum = base64.b64encode(hashlib.md5(found, usedforsecurity=False).digest()).decode()
        return Response(found, headers={"X-Goog-Generation": "1", "X-Goog-Hash": f"md5={checksum}"}, mimetype="application/octet-stream")
    return _error(found, f"Resource {full}: status {found}.") if isinstance(found, int) else json.loads(json.dumps(found))


def _listed(google: FakeGoogle, full: str) -> ResponseReturnValue:
    """A page of a list, under the key its API uses."""
    keys = {"serviceAccounts": "accounts", "consumerQuotaMetrics": "metrics"}
    last, start = full.rpartition("/")[2], int(request.args.get("pageToken", 0))
    items = list(google.lists[full].values())
    page: dict[str, Any] = {keys.get(last, last): items[start : start + _PAGE]} if items else {}
    if start + _PAGE < len(items):
        page["nextPageToken"] = str(start + _PAGE)
    return page


def _error(code: int, message: str, details: list[dict[str, str]] | None = None) -> ResponseReturnValue:
    status = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(code, "UNKNOWN")
    return {"error": {"code": code, "message": message, "status": status, "details": details or []}}, code


@contextmanager
def answering(google: FakeGoogle) -> Iterator[str]:
    """The base address of the APIs, with {service} in it."""
    server = make_server("127.0.0.1", 0, create_app(google), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{service}}"
    finally:
        server.shutdown()
        thread.join()
