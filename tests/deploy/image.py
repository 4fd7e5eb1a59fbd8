"""What the training image holds, by its Dockerfile: a folder made of the COPY lines, and the modules the job can reach from there."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

from shared.config import ROOT

DOCKERFILE = (ROOT / "training_job" / "Dockerfile").read_text()


def instructions(name: str) -> list[list[str]]:
    """The words of each such line."""
    return [words[1:] for line in DOCKERFILE.splitlines() if (words := line.split()) and words[0] == name]


def assemble(folder: Path) -> Path:
    """As docker would: every path of a COPY line under the name it is given."""
    for *sources, target in instructions("COPY"):
        for source in sources:
            to = folder / target / Path(source).name if target.endswith("/") else folder / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, to)
    return folder


def reached(image: Path, module: str) -> Iterator[Path]:
    """The file of a module and of every module it imports, at the top or within a function, that lies in the image."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(image, name)
        if name in seen or file is None:
            continue
        seen.add(name)
        yield file
        waiting += [*imported(file), *(name.rpartition(".")[0],)]


def _file(image: Path, name: str) -> Path | None:
    path = image / Path(*name.split(".")) if name else image / "absent"
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imported(file: Path) -> Iterator[str]:
    """Names as written; `from a import b` may mean the module a.b."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
