"""What the training job's code, its image and the plan must agree on: each finding is a sentence."""

import contextlib
import io
from collections.abc import Iterator

from shared.config import ROOT
from shared.documents import load
from tests.deploy.image import instructions
from tests.infra.plan import Plan
from training_job.__main__ import JobConfig, parser

THREADS = "OMP_NUM_THREADS"
NEEDED = {"LEADSCORE_BACKEND", "LEADSCORE_PROJECT", "LEADSCORE_BUCKET", "LEADSCORE_DATASET_PREFIX"}


def check(plan: Plan, settings: set[str]) -> Iterator[str]:
    """`settings` are the names that shared/config.py reads."""
    for key, job in plan.resources("google_cloud_run_v2_job").items():
        (container,) = job.block("template", "template")["containers"]
        given = {variable["name"]: variable.get("value") for variable in container["env"]}
        for name in sorted(NEEDED - given.keys()):
            yield f"the job {key}: {name} is not set"
        for name in sorted(given.keys() - settings - {THREADS}):
            yield f"the job {key}: nobody reads {name}"
        if given.get("LEADSCORE_BUCKET") not in _buckets(plan):
            yield f"the job {key}: LEADSCORE_BUCKET is no bucket of ours"
        if any(variable.get("value_source") for variable in container["env"]):
            yield f"the job {key}: it is given a secret, and needs none"
        yield from _started(key, container["command"], container["args"] or [])


def _started(key: str, command: list[str] | None, arguments: list[str]) -> Iterator[str]:
    if command:
        yield f"the job {key}: it is not started by the image's own entry point"
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            asked = parser().parse_args(arguments)
    except SystemExit:
        yield f"the job {key}: it does not take {' '.join(arguments)!r}: {complaint.getvalue().splitlines()[-1]}"
        return
    copied = {source for *sources, target in instructions("COPY") for source in sources if source == target}
    if asked.config.parts[0] not in copied or not (ROOT / asked.config).is_file():
        yield f"the job {key}: its image holds no {asked.config}"
        return
    contract = load(ROOT / asked.config, JobConfig).contract
    if contract.parts[0] not in copied or not (ROOT / contract).is_file():
        yield f"the job {key}: its image holds no {contract}"


def _buckets(plan: Plan) -> set[str]:
    return {str(bucket.values["name"]) for bucket in plan.resources("google_storage_bucket").values()}
