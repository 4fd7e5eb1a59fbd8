"""A template as one self-contained HTML file that opens anywhere."""

from pathlib import Path

import jinja2

_BASE = Path(__file__).parent / "templates"


def page(folder: Path, name: str, **values: object) -> str:
    """A template of `folder`, which may extend `base.html.j2`; a value it lacks is an error, not a blank."""
    loader = jinja2.FileSystemLoader([folder, _BASE])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(f"{name}.html.j2").render(**values)
