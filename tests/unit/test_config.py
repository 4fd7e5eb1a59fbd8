from pathlib import Path

import pytest

from shared import config
from shared.errors import ConfigError


def test_the_first_setting_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="LEADSCORE_PROJECT"):
        config.load({})
    with pytest.raises(ConfigError, match="LEADSCORE_BUCKET"):
        config.load({"LEADSCORE_PROJECT": "example-project"})
    with pytest.raises(ConfigError, match="LEADSCORE_WORLD"):
        config.load({"LEADSCORE_BACKEND": "local"})


def test_an_unknown_backend_or_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="aws"):
        config.load({"LEADSCORE_BACKEND": "aws"})
    with pytest.raises(ConfigError, match=r"LEADSCORE_MAX_DELIVERY_ATTEMPTS.*'many'"):
        config.load({"LEADSCORE_BACKEND": "local", "LEADSCORE_WORLD": "w", "LEADSCORE_MAX_DELIVERY_ATTEMPTS": "many"})


def test_a_laptop_needs_only_a_world() -> None:
    settings = config.load({"LEADSCORE_BACKEND": "local", "LEADSCORE_WORLD": "build/world"})
    assert settings.world == Path("build/world")
    assert settings.project == "example-project"
