"""What MLflow's model server does, done our way: values in, probability out, and the reasons with it."""

import os
from dataclasses import asdict
from pathlib import Path

import functions_framework
from flask import Request

from shared.adapters.directory import DirectoryObjects
from shared.model.registry import Registry
from shared.model.scorer import judge

_registry = Registry(DirectoryObjects(Path(os.environ["BENCH_OBJECTS"])))
_pointer = _registry.pointer("champion")
assert _pointer
_artifact = _registry.load(_pointer.version)


@functions_framework.http
def judge_vectors(request: Request) -> list[dict[str, object]]:
    return [asdict(judged) for judged in judge(_artifact, request.get_json()["dataframe_records"])]
