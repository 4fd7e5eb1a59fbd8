"""The functions' source as one zip: the same bytes for the same source, named by its content.

`python -m infra.bundle OUT_DIR` prints the path. At the root lie `main.py` and `requirements.txt`, as the buildpack wants
them; beside each module lies its bytecode, valid whatever the clock of the machine that unpacks it.
"""

import hashlib
import importlib.util
import marshal
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import CodeType

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("functions", "shared", "contracts", "policies", "infra/tables")
LAPTOP_ONLY = ("shared/adapters/duckdb.py", "shared/adapters/directory.py")
WHERE_IT_RUNS = "/workspace"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNCHECKED = (1).to_bytes(4, "little")
"""Bytecode that Python takes without looking at the source's time or hash (PEP 552)."""


def build(root: Path = ROOT) -> tuple[str, bytes]:
    """The bundle's file name and its bytes."""
    files = dict(_files(root))
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            bundle.writestr(entry, files[name])
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + files[name] for name in sorted(files))).hexdigest()
    return f"functions-{digest[:16]}.zip", content.getvalue()


def entry_points(root: Path = ROOT) -> list[str]:
    """What Terraform deploys, one function each."""
    return sorted(yaml.safe_load((root / "infra" / "functions.yaml").read_text())["functions"])


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    yield "requirements.txt", (root / "requirements" / "functions.txt").read_bytes()
    main = f"from functions.main import {', '.join(entry_points(root))}  # noqa: F401\n".encode()
    yield from _module("main.py", main)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_file() or "__pycache__" in path.parts or "cases" in path.parts or name in LAPTOP_ONLY:
                continue
            yield from _module(name, path.read_bytes()) if path.suffix == ".py" else [(name, path.read_bytes())]


def _module(name: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, source
    code = compile(source, f"{WHERE_IT_RUNS}/{name}", "exec", dont_inherit=True)
    yield importlib.util.cache_from_source(name), _pyc(code, source)


def _pyc(code: CodeType, source: bytes) -> bytes:
    """Written twice over: only a copy that nobody else refers to always gives the same bytes."""
    copy = marshal.loads(marshal.dumps(code))  # noqa: S302 - what we compiled ourselves a moment ago
    return importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(copy)


def main(out: Path) -> Path:
    name, content = build()
    out.mkdir(parents=True, exist_ok=True)
    path = out / name
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
