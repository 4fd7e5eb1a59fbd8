"""Each metric counts what the functions really log, in the situation it is for and not on a good day; each alert has its runbook."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from functions import messages
from sandbox import keys
from sandbox.org import USERNAME, Org, lead_fields
from sandbox.salesforce import CONSUMER_KEY, create_app
from shared import policies
from shared.adapters.salesforce import SalesforceCrm
from shared.config import ROOT, SalesforceSettings
from tests.conftest import Trained
from tests.infra.logfilter import matches
from tests.infra.plan import Plan
from tests.infra.rehearsal import TTL, Stage, stage

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
POLICY = policies.salesforce(ROOT / "policies")


def a_good_day(on: Stage) -> None:
    _score_one(on)
    _batch(on, "100.0 * rowid / (SELECT MAX(rowid) + 1 FROM scores.ledger)")


def _batch(on: Stage, percentile: str) -> None:
    """A batch whose plan was written down late, and whose scores lie at these percentiles when it ends."""
    _plan(on)
    on.store._connection.execute("DELETE FROM monitoring.batch_runs")
    for page in on.topic.bodies("score-page"):
        assert on.push("score_page", page) == 200
    on.store._connection.execute(f"UPDATE scores.ledger SET percentile = {percentile}")
    _plan(on)


def _plan(on: Stage) -> None:
    as_of = on.changes[-1].stage_entered_at + timedelta(days=1)
    assert on.call("score_batch", json.dumps({"as_of": as_of.isoformat()}).encode()) == 200


def _score_one(on: Stage) -> None:
    assert on.push("score_lead", messages.write(on.known())) == 200
    (scored,) = on.topic.bodies("lead-scored")
    assert on.push("sync_scores", scored) == 200


def a_malformed_message(on: Stage) -> None:
    assert on.push("score_lead", b"odd") == 200


def the_warehouse_is_down(on: Stage) -> None:
    on.warehouse.down = True
    assert on.push("score_lead", messages.write(on.known())) == 503


def nothing_can_be_filed(on: Stage) -> None:
    on.topic.down = True
    assert on.push("score_lead", b"odd") == 503


def a_stranger_calls(on: Stage) -> None:
    assert on.call("score_lead", b"{}", token="forged") == 401
    assert on.call("receive_stage_change", b"{}", token="guessed") == 401


def the_champion_is_missing(on: Stage) -> None:
    (on.world.objects / "registry" / "champion.json").unlink()
    assert on.call("score_batch", b"{}") == 503


def the_new_champion_cannot_be_read(on: Stage) -> None:
    _score_one(on)
    pointer = on.world.objects / "registry" / "champion.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "version": "20300101-00000000"}))
    on.clock.step(TTL * 2)
    assert on.push("score_lead", messages.write(on.known())) == 200


def salesforce_refuses_the_login(on: Stage) -> None:
    with _salesforce(on, consumer_key="revoked") as crm:
        on.use(crm)
        assert on.push("score_lead", messages.write(replace(on.known(), crd=None))) == 503


def salesforce_has_no_calls_left(on: Stage) -> None:
    with _salesforce(on, daily_limit=0) as crm:
        on.use(crm)
        assert on.push("score_lead", messages.write(replace(on.known(), crd=None))) == 503


def a_salesforce_field_is_missing(on: Stage) -> None:
    on.crm.fields = {}
    assert on.push("score_lead", messages.write(on.known())) == 200
    (scored,) = on.topic.bodies("lead-scored")
    assert on.push("sync_scores", scored) == 200


def the_vendor_files_are_old(on: Stage) -> None:
    on.store._connection.execute("DELETE FROM vendor.firm_months WHERE month > DATE '2024-06-01'")
    assert on.push("score_lead", messages.write(on.known())) == 200


def the_scores_have_moved(on: Stage) -> None:
    _score_one(on)
    _batch(on, "99.0")


@contextmanager
def _salesforce(on: Stage, consumer_key: str = CONSUMER_KEY, daily_limit: int = 1000) -> Iterator[SalesforceCrm]:
    """The sandbox's Salesforce over HTTP."""
    key = keys.private_key(on.world.path / "keys" / "salesforce.pem")
    org = Org(lead_fields(POLICY), {})
    org.daily_limit = daily_limit
    server = make_server("127.0.0.1", 0, create_app(org, keys.public_key(key)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    crm = SalesforceCrm(SalesforceSettings("login", USERNAME, consumer_key, key, f"http://127.0.0.1:{server.server_port}"), POLICY)
    yield crm
    crm.close()
    server.shutdown()
    server.server_close()
    thread.join()


HANDLED = {"deliveries", "deliveries_handled", "handling_ms"}
FAILED = {"deliveries", "deliveries_failed"}
SCORED = HANDLED | {"leads_scored"}
SITUATIONS: dict[Callable[[Stage], None], set[str]] = {
    a_good_day: SCORED | {"batches_planned", "model_age_days", "leads_not_scored"},
    the_vendor_files_are_old: SCORED | {"sources_stale"},
    the_scores_have_moved: SCORED | {"batches_planned", "model_age_days", "leads_not_scored", "scores_drifted"},
    a_malformed_message: FAILED | {"dead_letters"},
    the_warehouse_is_down: FAILED,
    nothing_can_be_filed: FAILED | {"dead_letters_unfiled"},
    a_stranger_calls: {"strangers"},
    the_champion_is_missing: {"model_unreadable", "schedules_failed"},
    the_new_champion_cannot_be_read: SCORED | {"model_unreadable"},
    salesforce_refuses_the_login: FAILED | {"salesforce_login_refused"},
    salesforce_has_no_calls_left: FAILED | {"salesforce_quota"},
    a_salesforce_field_is_missing: SCORED | FAILED | {"dead_letters", "settings_refused"},
}
"""What happens, and the metrics that count it: no more and no fewer. The market holds leads that no vendor knows."""


@pytest.fixture(scope="module")
def metrics(plans: dict[str, Plan]) -> dict[str, dict[str, Any]]:
    return {name: dict(metric.values) for name, metric in plans["prod"].resources("google_logging_metric").items()}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_a_situation_is_counted_by_its_metrics_and_no_others(
    situation: Callable[[Stage], None], metrics: dict[str, dict[str, Any]], trained: Trained, tmp_path: Path
) -> None:
    with stage(trained.copy(tmp_path / "world")) as on:
        situation(on)
        entries = on.entries()
    counted = {name: [e for e in entries if matches(metric["filter"], e)] for name, metric in metrics.items()}
    assert {name for name, found in counted.items() if found} == SITUATIONS[situation]
    for name, found in counted.items():
        assert all(_extracted(metrics[name], entry) >= 0 for entry in found)


def _extracted(metric: dict[str, Any], entry: dict[str, Any]) -> float:
    """The value the metric takes from the entry, or 1 for one that only counts."""
    if metric["value_extractor"] is None:
        return 1
    (field,) = re.findall(r"EXTRACT\(jsonPayload\.(\w+)\)", metric["value_extractor"])
    return float(entry["jsonPayload"][field])


def test_no_metric_waits_for_what_never_happens(metrics: dict[str, dict[str, Any]]) -> None:
    assert set().union(*SITUATIONS.values()) == set(metrics)


@pytest.mark.parametrize("query", ['a="b" NOR c="d"', 'a="b" AND (c="d"', 'a=~"b"'])
def test_the_evaluator_refuses_what_it_does_not_know(query: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        matches(query, {})


def test_every_alert_reaches_somebody_and_names_a_runbook_with_its_four_parts(plans: dict[str, Plan]) -> None:
    policies_ = plans["prod"].resources("google_monitoring_alert_policy")
    for policy in policies_.values():
        address = policy.block("documentation")["links"][0]["url"]
        heading = address.rpartition("#")[2]
        section = re.search(rf"^### {heading}\n(.*?)(?=^#|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
        assert section, f"docs/operations.md has no runbook {heading}"
        for part in ("**Symptom.**", "**Query.**", "**Mend.**", "**Verify.**"):
            assert part in section[1], f"{heading} lacks {part}"


def test_every_runbook_belongs_to_an_alert(plans: dict[str, Plan]) -> None:
    runbooks = OPERATIONS.partition("## Runbooks")[2].partition("\n## ")[0]
    named = {
        p.block("documentation")["links"][0]["url"].rpartition("#")[2]
        for p in plans["prod"].resources("google_monitoring_alert_policy").values()
    }
    assert set(re.findall(r"^### (\S+)$", runbooks, re.MULTILINE)) == named | {"budget"}


def test_metrics_of_alerts_dashboard_and_promises_exist(plans: dict[str, Plan], metrics: dict[str, dict[str, Any]]) -> None:
    kinds = ("google_monitoring_alert_policy", "google_monitoring_dashboard", "google_monitoring_slo")
    shown = json.dumps([dict(r.values) for kind in kinds for r in plans["prod"].resources(kind).values()])
    used = set(re.findall(r"logging\.googleapis\.com/user/(\w+)", shown))
    assert used <= set(metrics)
    assert used >= set(metrics) - {"dead_letters"}, "dead letters are alerted on where they wait, not where they are made"
