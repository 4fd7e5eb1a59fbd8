"""The running system as the command line reaches it: the cloud's, or a world on this laptop."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from functions.wiring import App, build
from sandbox.cloud import functions_environment
from sandbox.subscriptions import DEAD_LETTER_SUBSCRIPTION
from shared import config
from shared.adapters.directory import DirectoryDeadLetters
from shared.adapters.pubsub import PubSubDeadLetters
from shared.errors import ConfigError
from shared.ports import DeadLetters


@dataclass(frozen=True, slots=True)
class Reached:
    """What the process at work in the world told of itself. Empty addresses where nothing is running."""

    salesforce: str = ""
    bus: str = ""
    ingress_secret: str = ""


def in_cloud() -> bool:
    return os.environ.get("LEADSCORE_BACKEND") == "gcp"


def system(world: Path, *, running: bool = False) -> App:
    """The same parts as the functions have. `running` asks for a world whose sandbox is up, Salesforce and bus with it.

    LEADSCORE_BACKEND=gcp takes the settings of the environment instead.
    """
    if in_cloud():
        return build(config.load())
    if not (world / "world.json").exists():
        raise ConfigError(f"There is no world at {world}.", fix="Make one: make demo, or make serve.")
    told = _reached(world)
    if running and not told.salesforce:
        raise ConfigError(f"No sandbox is running on {world}.", fix="Start one in another terminal: make serve.")
    return build(config.load(functions_environment(world, told.salesforce, told.bus, told.ingress_secret)))


def dead_letters(world: Path) -> DeadLetters:
    if in_cloud():
        from google.cloud.pubsub_v1 import SubscriberClient  # noqa: PLC0415 - a second of imports, not on a laptop

        return PubSubDeadLetters(SubscriberClient(), config.load().project, DEAD_LETTER_SUBSCRIPTION)
    return DirectoryDeadLetters(world / "dead_letters")


def _reached(world: Path) -> Reached:
    try:
        return Reached(**json.loads((world / "cloud.json").read_text()))
    except FileNotFoundError:
        return Reached()
