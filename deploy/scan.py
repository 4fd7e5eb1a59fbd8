"""Nothing that is secret, personal or of one machine gets into the repository.

`python -m deploy.scan [FOLDER]` reads every file git has or would take and exits 1 with a line per finding: file:line, rule, and enough
of the match to find it. Tokens, keys and random strings are found by detect-secrets, the rest by the rules below; a file that is
no text cannot be read. What is found and meant is in `deploy/scan.yaml` with its reason; an entry that meets nothing any more is
a finding too, and a comment excuses nothing.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings
from pydantic import Field

from shared.config import ROOT
from shared.documents import Document, load
from shared.errors import ConfigError

ALLOWED = "deploy/scan.yaml"
_SHOWN = 6
_INDEXES = (
    r"\b(?:test\.)?pyp[i]\.(?:org|python\.org)\b|\bfiles\.pythonhost[e]d\b"
    r"|\bregistry\.(?:npm[j]s|yarnpk[g])\b|\b(?:index\.)?crates[.]io\b"
)
_SALESFORCE_ID = r"\b(?=\w*[A-Za-z])(?:00[1356DQe]|500|701)[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?\b"
_OURS = r"example-project[\w-]*|[a-z-]*example[a-z-]*|demo-proj"
_GOOGLES = r"gcp-sa-[a-z]+|gs-project-accounts|bigquery-encryption"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` finds; its group 1 where there is one, or all of it, is no finding where `fine` matches it whole."""

    name: str
    pattern: re.Pattern[str]
    fine: re.Pattern[str]

    def found(self, line: str) -> Iterator[str]:
        for match in self.pattern.finditer(line):
            if not self.fine.fullmatch(match[match.lastindex or 0]):
                yield match[0]


def _rule(name: str, pattern: str, fine: str = r"(?!)") -> Rule:
    return Rule(name, re.compile(pattern), re.compile(fine))


RULES = (
    _rule("service account key", r"""["']private_key_id["']\s*:\s*["'][0-9a-f]{16,}"""),
    _rule("Google API key", r"\bAIza[\w-]{35}"),
    _rule("Google access token", r"\bya29\.[\w-]{20,}"),
    _rule("Salesforce session", r"\b00D[A-Za-z0-9]{12,15}![\w.]{20,}"),
    _rule("Salesforce id", _SALESFORCE_ID, r"...0{7}\w+|00Q5[eE]\d{10}([A-Z0-5]{3})?"),
    _rule(
        "e-mail address",
        r"[\w.+-]+@((?:[\w-]+\.)+[A-Za-z]{2,})\b",
        rf"([\w-]+\.)*(example|test|invalid)|([\w-]+\.)*example\.(com|org|net)(\.[a-z]+)?|({_OURS}|{_GOOGLES})\.iam\.gserviceaccount\.com",
    ),
    _rule("telephone number", r"(?<![\w.+-])(?:\+?1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])(\d{3}[ .-]\d{4})(?![\w-])", r"555.01\d\d"),
    _rule("telephone number", r"(?<!\w)\+[1-9]\d{9,14}\b"),
    _rule("social security number", r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    _rule("path of one machine", r"(?<![\w.~])(?:/(?:home|Users|root)/\w+|[A-Z]:\\+Users\\+\w+)"),
    _rule("package index", _INDEXES),
    _rule("package index", r"(?<!emit-)\b(?:extra-)?index[-]url\b"),
    _rule("project id", r"\bprojects/([a-z][a-z0-9-]{4,28}[a-z0-9])\b", _OURS),
    _rule("project id", r"(?<![\w-])([a-z][a-z0-9-]{4,28}[a-z0-9])\.iam\.gserviceaccount\.com", f"{_OURS}|{_GOOGLES}"),
    _rule("project id", r"\bpkg\.dev/([a-z][a-z0-9-]{4,28}[a-z0-9])/", _OURS),
    _rule("project id", r"--project[ =]([a-z][a-z0-9-]{4,28}[a-z0-9])\b", _OURS),
)  # fmt: skip


class Allowed(Document):
    """`text` is part of the line it excuses."""

    file: str
    rule: str
    text: str
    reason: str = Field(min_length=10)


class AllowList(Document):
    allowed: tuple[Allowed, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """`number` counts lines from 1; `line` is all of it."""

    file: str
    number: int
    rule: str
    found: str
    line: str

    def __str__(self) -> str:
        shown = self.found if len(self.found) <= _SHOWN else f"{self.found[:_SHOWN]}… ({len(self.found)} characters)"
        return f"{self.file}:{self.number}: {self.rule}: {shown}"

    def excused(self, by: Allowed) -> bool:
        return (self.file, self.rule) == (by.file, by.rule) and by.text in self.line


def scan(folder: Path, allowed: Sequence[Allowed]) -> list[str]:
    """A sentence per finding that nothing excuses, and per excuse that excuses nothing."""
    findings = [finding for file in _files(folder) for finding in _of(folder, file)]
    open_ = [str(finding) for finding in findings if not any(finding.excused(by) for by in allowed)]
    idle = [
        f"{by.file}: {by.rule}: nothing holds {by.text!r} any more; remove it from {ALLOWED}" for by in allowed if not _meets(by, findings)
    ]
    return open_ + idle


def _meets(by: Allowed, findings: Sequence[Finding]) -> bool:
    return any(finding.excused(by) for finding in findings)


def _files(folder: Path) -> list[str]:
    """What git has or would take; of an uploaded copy without `.git`, what git would take of it."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    with tempfile.TemporaryDirectory() as empty:
        environ = dict(os.environ)
        if not (folder / ".git").exists():
            subprocess.run(["git", "init", "--quiet", "--bare", empty], check=True)  # noqa: S607
            environ |= {"GIT_DIR": empty, "GIT_WORK_TREE": str(folder)}
        said = subprocess.run(line, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    return sorted(name for name in said.stdout.split("\0") if name and (folder / name).is_file() and not (folder / name).is_symlink())


def _of(folder: Path, file: str) -> Iterator[Finding]:
    if b"\0" in (folder / file).read_bytes():
        yield Finding(file, 1, "not text", "", "")
        return
    lines = (folder / file).read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        for rule in RULES:
            yield from (Finding(file, number, rule.name, found, line) for found in rule.found(line))
    with default_settings() as settings:
        settings.disable_filters("detect_secrets.filters.allowlist.is_line_allowlisted")
        secrets = SecretsCollection()
        secrets.scan_file(str(folder / file))
    for _, secret in secrets:
        yield Finding(file, secret.line_number, secret.type.lower(), secret.secret_value or "", lines[secret.line_number - 1])


def main(arguments: Sequence[str]) -> int:
    folder = Path(arguments[0]) if arguments else ROOT
    path = folder / ALLOWED
    try:
        findings = scan(folder, load(path, AllowList, ConfigError).allowed if path.is_file() else ())
    except ConfigError as fault:
        sys.exit(str(fault))
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    fix = f" Remove it and change what was exposed; only what is meant goes into {ALLOWED}, with its reason." if findings else ""
    sys.stdout.write(f"secrets, people, machines: {len(findings)} findings.{fix}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
