"""Environments of their own: what the functions run with, and the reference way. Made on first use; where they cannot be, a bench skips."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from rich.console import Console

from shared.config import ROOT

INSTALL_SECONDS = 900


class Unavailable(Exception):
    """Why a bench cannot run here."""


@cache
def python(name: str, requirements: str) -> Path:
    """The interpreter of `.venv-<name>` with these pins, its bytecode compiled. Raises Unavailable with the reason."""
    folder = ROOT / f".venv-{name}"
    interpreter, done = folder / "bin" / "python", folder / ".done"
    pins = ROOT / "requirements" / requirements
    if not done.exists() or done.stat().st_mtime < pins.stat().st_mtime:
        Console().print(f"[dim]making {folder.name} from {pins.name} (about two minutes, once)[/]")
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(interpreter), "-m", "pip", "install", "--disable-pip-version-check", "-qq", "--require-hashes", "-r", str(pins)]
        _run(pip)
        _run([str(interpreter), "-m", "compileall", "-q", str(folder / "lib")], tolerant=True)
        done.touch()
    return interpreter


def functions_python() -> Path:
    return python("functions", "functions.txt")


def reference_python() -> Path:
    return python("bench", "bench.txt")


def _run(command: list[str], *, tolerant: bool = False) -> None:
    """`tolerant`: some packages carry files of other Pythons, which do not compile."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(command[:5])} took more than {INSTALL_SECONDS} s") from None
    if done.returncode and not tolerant:
        raise Unavailable(f"{' '.join(command[:5])} failed: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]}")
