"""The pages say what is there."""

import re

from shared.config import ROOT
from tests.infra.contracts import DEFAULTED, LAPTOP, settings_read
from tests.infra.plan import Plan

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def _settings() -> dict[str, str]:
    """Variable to who sets it, from the table."""
    section = OPERATIONS.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[3].strip() for row in rows}


def test_every_setting_is_listed_with_who_sets_it() -> None:
    listed = _settings()
    assert set(listed) == settings_read()
    assert {name for name, by in listed.items() if by == "the sandbox"} == LAPTOP
    assert {name for name, by in listed.items() if by == "nobody"} == DEFAULTED


def test_every_link_of_the_page_leads_to_a_heading() -> None:
    headings = {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", OPERATIONS)) <= headings


def test_files_the_pages_name_exist() -> None:
    pages = OPERATIONS + (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`((?:infra|policies|tests|shared)/[\w./]+\.\w+)`", pages)
    assert named
    assert [name for name in named if not (ROOT / name).exists() and "ENV" not in name] == []


def test_the_cost_table_counts_what_is_planned(plans: dict[str, Plan]) -> None:
    plan = plans["prod"]
    jobs, secrets = len(plan.resources("google_cloud_scheduler_job")), len(plan.resources("google_secret_manager_secret"))
    conditions = sum(len(policy.values["conditions"]) for policy in plan.resources("google_monitoring_alert_policy").values())
    assert f"{jobs} jobs and {secrets} versions: **${0.10 * jobs + 0.06 * secrets:.2f}**" in OPERATIONS
    assert f"{conditions} conditions: **${0.10 * conditions:.2f}**" in OPERATIONS


def test_what_the_recovery_table_counts_on_is_planned(plans: dict[str, Plan]) -> None:
    """Seven days of messages, of a table's past and of a destroyed secret; a bucket's former generations."""
    plan = plans["prod"]
    assert {topic.values["message_retention_duration"] for topic in plan.resources("google_pubsub_topic").values()} == {"604800s"}
    assert {dataset.values["max_time_travel_hours"] for dataset in plan.resources("google_bigquery_dataset").values()} == {"168"}
    assert {secret.values["version_destroy_ttl"] for secret in plan.resources("google_secret_manager_secret").values()} == {"604800s"}
    models = plan.resources("google_storage_bucket", "models")["models"]
    assert models.block("versioning")["enabled"]
    assert models.block("soft_delete_policy")["retention_duration_seconds"] >= 604800
