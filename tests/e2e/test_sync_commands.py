"""`./leadscore sync` beside a sandbox that is up, as a person uses it."""

import os
import re
import subprocess
import sys

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


def test_without_a_running_sandbox_the_command_says_what_to_start(trained: Trained) -> None:
    command = [sys.executable, "-m", "ops", "sync", "plan", "--world", str(trained.world.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No sandbox is running" in done.stderr
    assert "make serve" in done.stderr
