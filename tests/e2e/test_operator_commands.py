"""`./leadscore sync`, `dlq`, `explain` and `prospects` beside a sandbox that is up, as a person uses them."""

import os
import re
import subprocess
import sys
from pathlib import Path

from shared.config import ROOT
from tests.conftest import Trained
from tests.e2e.conftest import Running

AS_OF = ("--as-of", "2025-10-01T00:00:00Z")


def leadscore(up: Running, *arguments: str) -> str:
    command = [sys.executable, "-m", "ops", *arguments, "--world", str(up.world.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def _stats(up: Running, name: str) -> int:
    return int(str(up.cloud.get(f"{up.cloud.salesforce}/sandbox/stats")[name]))


def test_plan_run_status_and_revert_beside_running_functions(up: Running) -> None:
    early = [change for change in up.fresh if change.stage_entered_at.month == 9][:3]
    up.fresh = [change for change in up.fresh if change not in early]
    up.contact(early[0])
    for change in early[1:]:
        up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"refused_leads": [early[1].lead_id, early[2].lead_id]})
        up.contact(change)
    up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"refused_leads": []})
    writes = _stats(up, "writes")
    assert "2 changed / 1 unchanged / 0 would fail" in leadscore(up, "sync", "plan", *AS_OF)
    assert _stats(up, "writes") == writes
    calls = _stats(up, "calls")
    assert "2 written" in leadscore(up, "sync", "run", *AS_OF)
    assert _stats(up, "calls") - calls == 3  # describe, read, write
    assert "0 written" in leadscore(up, "sync", "run", *AS_OF)
    assert up.lead(early[1].lead_id)["Lead_Score__c"]
    run = re.search(r"sync-\S+Z", leadscore(up, "sync", "status"))
    assert run
    assert "2 put back" in leadscore(up, "sync", "revert", run[0])
    assert up.lead(early[1].lead_id)["Lead_Score__c"] is None
    assert "0 changed / 3 unchanged" in leadscore(up, "sync", "plan", *AS_OF)


def test_dead_letters_are_listed_told_and_replayed_once_the_cause_is_mended(up: Running) -> None:
    change = up.fresh.pop()
    up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"refused_leads": [change.lead_id]})
    up.contact(change)
    up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"refused_leads": []})
    listed = leadscore(up, "dlq", "list", "--reason", "crm_refused")
    message = next(line for line in listed.splitlines() if change.lead_id in line).split("\u2502")[1].strip()
    told = leadscore(up, "dlq", "explain", message)
    assert "a validation rule stands against it" in told
    assert "A replay publishes 1 to lead-scored." in told
    assert not up.lead(change.lead_id).get("Lead_Score__c")
    assert "1 sent once more, 0 kept" in leadscore(up, "dlq", "replay", "--message", message)
    up.settle()
    assert up.lead(change.lead_id)["Lead_Score__c"]
    assert "0 sent once more" in leadscore(up, "dlq", "replay", "--message", message)


def test_explain_tells_a_lead_from_question_to_answer(up: Running) -> None:
    change = up.fresh.pop()
    up.contact(change)
    told = leadscore(up, "explain", change.lead_id)
    for expected in (
        "the logged vector scored again: the identical bytes",
        "the same question asked again now: the identical vector",
        f"asked by  event {change.event_id}",
        "Salesforce",
        "written by",
        "taken",
        "What the ask could see",
    ):
        assert expected in told


def test_prospects_are_ranked_beside_running_functions(up: Running, tmp_path: Path) -> None:
    told = leadscore(up, "prospects", "--as-of", "2025-09-01T00:00:00Z", "--csv", str(tmp_path / "prospects.csv"))
    assert re.search(r"[\d,]+ prospects scored as of 2025-09-01", told)
    assert (tmp_path / "prospects.csv").read_text().startswith("rank,crd,score")


def test_without_a_running_sandbox_the_command_says_what_to_start(trained: Trained) -> None:
    command = [sys.executable, "-m", "ops", "sync", "plan", "--world", str(trained.world.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No sandbox is running" in done.stderr
    assert "make serve" in done.stderr
