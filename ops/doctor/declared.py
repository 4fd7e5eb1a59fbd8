"""What the repository declares outside functions.yaml and the tables: read from where it is declared, never written twice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

from sandbox.topology import topology
from shared.config import ROOT

INFRA = ROOT / "infra"
VIEWS = INFRA / "views"
PACKAGE = ROOT / "salesforce" / "force-app" / "main" / "default"
PERMISSION_SET, FLOW = "Lead_Score_Integration", "Lead_Contacted"

_NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"


@dataclass(frozen=True, slots=True)
class FieldWanted:
    """A field of the package. `kind` is the describe call's word for it."""

    name: str
    kind: str
    length: int
    precision: int
    scale: int

    def __str__(self) -> str:
        size = str(self.length) if self.length else f"{self.precision - self.scale},{self.scale}" if self.precision else ""
        return f"{self.kind}({size})" if size else self.kind


def pushed() -> dict[str, str]:
    """Subscription to the function it pushes to."""
    return {name.replace("_", "-"): name for name, function in topology().functions.items() if function.trigger == "topic"}


def secrets() -> list[str]:
    """Every secret a function is given, once."""
    return sorted({secret for function in topology().functions.values() for secret in function.secrets})


@cache
def score_fields() -> tuple[FieldWanted, ...]:
    return tuple(_field(path) for path in sorted((PACKAGE / "objects" / "Lead" / "fields").glob("*.xml")))


def _field(path: Path) -> FieldWanted:
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    said = {element.tag.removeprefix(_NAMESPACE): element.text or "" for element in root}
    kind = {"Text": "string", "Number": "double", "DateTime": "datetime"}[said["type"]]
    return FieldWanted(said["fullName"], kind, *(int(said.get(key, 0)) for key in ("length", "precision", "scale")))


def apis() -> list[str]:
    """The services infra/services.tf turns on."""
    return re.findall(r'"([a-z]+\.googleapis\.com)"', (INFRA / "services.tf").read_text())


def apis_before() -> list[str]:
    """The services infra/bootstrap.sh turns on, without which no build starts."""
    return sorted(set(re.findall(r"[a-z]+\.googleapis\.com", _bootstrap())))


def deploy_roles() -> list[str]:
    """The roles infra/bootstrap.sh gives to the account that deploys."""
    listed = re.search(r"for role in (.*?); do", _bootstrap(), re.DOTALL)
    assert listed is not None
    return [f"roles/{role}" for role in listed[1].replace("\\\n", " ").split()]


def _bootstrap() -> str:
    return (INFRA / "bootstrap.sh").read_text()


def variables() -> Mapping[str, str]:
    """The variables of infra/variables.tf, each with what its block says."""
    blocks = re.split(r'^variable "(\w+)" ', (INFRA / "variables.tf").read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


def default_region() -> str:
    found = re.search(r'default\s*=\s*"([^"]+)"', variables()["region"])
    assert found is not None
    return found[1]
