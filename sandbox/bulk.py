"""Bulk API 2.0 ingest: a job is made, filled with CSV, closed, and answered record by record."""

import csv
import io
import secrets
from dataclasses import dataclass, field

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from sandbox.org import FieldSpec, Org

_JOBS = "/services/data/<version>/jobs/ingest"
_NULL = "#N/A"


@dataclass(slots=True)
class _Job:
    id: str
    state: str = "Open"
    rows: list[dict[str, str]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def info(self) -> dict[str, object]:
        done = self.state == "JobComplete"
        counts = {"numberRecordsProcessed": len(self.rows) if done else 0, "numberRecordsFailed": len(self.failed)}
        return {"id": self.id, "object": "Lead", "operation": "update", "state": self.state, "apiVersion": 59.0, **counts}


def bulk_routes(app: Flask, org: Org) -> None:
    jobs: dict[str, _Job] = {}

    @app.post(_JOBS)
    def create(version: str) -> ResponseReturnValue:
        job = _Job(f"750{secrets.token_hex(6)}AAA")
        jobs[job.id] = job
        return job.info()

    @app.put(f"{_JOBS}/<job_id>/batches")
    def upload(version: str, job_id: str) -> ResponseReturnValue:
        jobs[job_id].rows = list(csv.DictReader(io.StringIO(request.get_data(as_text=True))))
        return "", 201

    @app.patch(f"{_JOBS}/<job_id>")
    def change_state(version: str, job_id: str) -> ResponseReturnValue:
        job = jobs[job_id]
        job.state = request.get_json()["state"]
        if job.state == "UploadComplete" and not org.faults.stuck_jobs:
            _process(org, job)
        return job.info()

    @app.get(f"{_JOBS}/<job_id>")
    def info(version: str, job_id: str) -> ResponseReturnValue:
        return jobs[job_id].info()

    @app.get(f"{_JOBS}/<job_id>/<any(successfulResults,failedResults,unprocessedRecords):kind>")
    def results(version: str, job_id: str, kind: str) -> ResponseReturnValue:
        return Response(_results(jobs[job_id], kind), content_type="text/csv")


def _process(org: Org, job: _Job) -> None:
    for row in job.rows:
        values = {name: _typed(org.fields.get(name), text) for name, text in row.items() if name != "Id" and text}
        if unknown := org.unknown_fields(values):
            job.failed[row["Id"]] = f"INVALID_FIELD:No such column '{unknown[0]}'"
        elif refusal := org.write(row["Id"], values, auto_assign=False):
            job.failed[row["Id"]] = f"{refusal.code}:{refusal.message}"
    job.state = "JobComplete"


def _typed(spec: FieldSpec | None, text: str) -> object:
    if text == _NULL:
        return None
    if spec and spec.kind == "number":
        try:
            return float(text) if "." in text or "e" in text.lower() else int(text)
        except ValueError:
            return text
    return text


def _results(job: _Job, kind: str) -> str:
    out = io.StringIO()
    if kind == "successfulResults":
        done = job.rows if job.state == "JobComplete" else []
        rows = [{"sf__Id": r["Id"], "sf__Created": "false", **r} for r in done if r["Id"] not in job.failed]
    elif kind == "failedResults":
        rows = [{"sf__Id": r["Id"], "sf__Error": job.failed[r["Id"]], **r} for r in job.rows if r["Id"] in job.failed]
    else:
        rows = []
    if rows:
        writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
