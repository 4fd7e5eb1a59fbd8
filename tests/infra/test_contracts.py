"""Code and infrastructure say the same."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format

from functions import messages
from functions.messages import PageMessage, ScoredMessage
from sandbox.subscriptions import DEAD_LETTER_SUBSCRIPTION
from sandbox.topology import topology
from shared.config import ROOT
from shared.tables import all_tables
from tests.infra import contracts, protocol
from tests.infra.plan import Plan
from tests.infra.workshop import ENVIRONMENTS

SCHEMAS = ROOT / "infra" / "schemas"
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_plan_and_code_agree(environment: str, plans: dict[str, Plan]) -> None:
    assert list(contracts.check(plans[environment])) == []


def test_every_declared_function_topic_table_and_job_is_planned(plans: dict[str, Plan]) -> None:
    plan = plans["prod"]
    assert set(plan.resources("google_cloudfunctions2_function")) == set(topology().functions)
    assert set(plan.resources("google_pubsub_topic")) == set(topology().topics)
    assert set(plan.resources("google_bigquery_table", "tables")) == {table.name for table in all_tables()}
    assert set(plan.resources("google_cloud_run_v2_job")) == set(topology().jobs)


def test_secrets_reach_only_the_functions_that_declare_them(plans: dict[str, Plan]) -> None:
    for key, function in plans["prod"].resources("google_cloudfunctions2_function").items():
        given = {s["secret"] for s in function.block("service_config")["secret_environment_variables"]}
        assert given == set(topology().functions[key].secrets)


def test_the_job_may_be_tried_again(plans: dict[str, Plan]) -> None:
    """tests/deploy/test_image.py kills it and sees the second attempt go on with the same run."""
    assert plans["prod"].resources("google_cloud_run_v2_job")["train"].block("template", "template")["max_retries"] == 1


def test_dead_letters_are_looked_for_where_they_wait(plans: dict[str, Plan]) -> None:
    assert plans["prod"].resources("google_pubsub_subscription", "dead_letters")["dead_letters"].values["name"] == DEAD_LETTER_SUBSCRIPTION


def test_the_outputs_the_pipeline_reads_are_there(plans: dict[str, Plan]) -> None:
    planned = plans["prod"].raw["planned_values"]["outputs"]["functions"]["value"]
    assert planned["score_lead"] == {"service": "score-lead", "uri": planned["score_lead"]["uri"], "pushed": True}
    assert {name for name, said in planned.items() if not said["pushed"]} == {"receive_stage_change"}
    assert planned["score_lead"]["uri"].startswith("https://score-lead-")
    assert set(planned) == set(topology().functions)


def test_a_page_and_an_announcement_are_messages_of_their_schemas() -> None:
    asked = {"lead_id": "00Q5e0000026979EAA", "crd": None, "stage_entered_at": "2025-09-01T12:00:00Z"}
    page = {"run_id": "r", "page": 0, "as_of": "2025-09-01T12:00:00Z", "leads": [asked]}
    assert messages.read(PageMessage, json.dumps(page).encode()).run_id == _parse("score-page", json.dumps(page).encode()).run_id
    scored = json.dumps({"lead_ids": [asked["lead_id"]]}).encode()
    assert list(messages.read(ScoredMessage, scored).lead_ids) == list(_parse("lead-scored", scored).lead_ids)


def _parse(topic: str, body: bytes) -> Any:
    made = protocol.message((SCHEMAS / f"{topic}.proto").read_text(), topic)
    json_format.Parse(body, made)
    if not made.IsInitialized():
        raise json_format.ParseError(f"missing {made.FindInitializationErrors()}")
    return made
