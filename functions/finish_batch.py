"""The end of a nightly batch: measure whether scores have moved, then one changed-only sync of every open lead."""

import json
from datetime import timedelta

from functions.score_lead import LEAD_SCORED, Scoring
from shared.asof.labels import open_leads
from shared.log import log, timed


def finish_if_over(run_id: str, scoring: Scoring) -> bool:
    """Whoever writes the last page, or the plan if that comes later, sees a complete run and ends it; two may, and that is fine.

    A run one of whose pages died is never over: what it scored is announced by the next night's, which knows every open lead.
    """
    with timed("ledger"):
        progress = scoring.batches.progress(run_id)
    if progress is None or progress.done < progress.planned:
        return False
    champion = scoring.champions.get()
    drift = scoring.batches.measure_drift(run_id, champion, scoring.clock.now())
    asked = {"known_by": progress.as_of, "since": progress.as_of - timedelta(days=scoring.policy.open_days)}
    announced = 0
    with timed("publish"):
        parts = scoring.warehouse.pages(
            open_leads(champion.contract), scoring.policy.sync_page_size, **asked, model_version=champion.version
        )
        for part in parts:
            lead_ids = [row["lead_id"] for row in part]
            scoring.topic.publish(LEAD_SCORED, json.dumps({"lead_ids": lead_ids}).encode(), {"run_id": run_id})
            announced += len(lead_ids)
    moved = {"psi": round(drift.psi, 4), "critical": round(drift.critical, 4), "drifted": drift.beyond_chance} if drift else {}
    log.info("batch_finished", run_id=run_id, pages=progress.planned, announced=announced, **moved)
    return True
