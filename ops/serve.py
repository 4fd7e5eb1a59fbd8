"""`make serve`: the sandbox stays up until it is stopped."""

import base64
import json
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ops.training import promote, registry, train_and_register
from sandbox.cloud import Cloud, Ports, running
from sandbox.topology import topology
from sandbox.world import World, events, held, make_market_world, open_world
from shared.clock import isoformat
from shared.config import ROOT
from shared.errors import DataError
from shared.lead import StageChange

SEED, LEADS = 7, 30_000


def serve(path: Path, port: int, console: Console) -> None:
    """Use the world at `path`, or make one with a champion; print where everything is and a line to try."""
    with held(path):
        world = _world_with_champion(path, console)
        warehouse = world.warehouse()
        change = events(world, warehouse)[-1]
        warehouse.close()
        with running(path, Ports(functions=port, salesforce=port + 1, bus=port + 2)) as cloud:
            _tell(console, cloud, change)
            while True:
                cloud.check()
                time.sleep(0.5)


def _world_with_champion(path: Path, console: Console) -> World:
    try:
        world = open_world(path)
    except DataError:
        console.print("Making a world: the synthetic advisor market.")
        world = make_market_world(path, ROOT / "contracts" / "advisor.yaml", SEED, LEADS)
    if registry(path).pointer("champion") is None:
        version = train_and_register(world, console.print).trained.version
        promote(path, version, by="serve", reason="first model of this world")
    return world


def _tell(console: Console, cloud: Cloud, change: StageChange) -> None:
    console.print(f"\nfunctions   {cloud.functions}/<{' | '.join(topology().functions)}>")
    console.print(f"Salesforce  {cloud.salesforce}   look at a lead: {cloud.salesforce}/sandbox/leads/{change.lead_id}")
    console.print(f"bus         {cloud.bus}   what it did: {cloud.bus}/sandbox/stats")
    console.print("\nScore that lead with the envelope Pub/Sub would push; a second time changes nothing:\n")
    console.print(escape(curl_line(cloud, change)), soft_wrap=True, highlight=False)
    console.print("\nStop with Ctrl-C.")


def curl_line(cloud: Cloud, change: StageChange) -> str:
    """A ready command that pushes this stage change to `score_lead`, with a token that is good for a day."""
    body = {
        "lead_id": change.lead_id,
        "crd": change.crd,
        "stage": change.stage,
        "stage_entered_at": isoformat(change.stage_entered_at),
        "event_id": "by-hand",
        "source": "curl",
    }
    data = base64.b64encode(json.dumps(body).encode()).decode()
    envelope = json.dumps(
        {"message": {"data": data, "messageId": "by-hand"}, "subscription": "projects/example-project/subscriptions/score-lead"}
    )
    headers = f"-H 'Authorization: Bearer {cloud.push_token}' -H 'Content-Type: application/json'"
    return f"curl -s {cloud.functions}/score_lead {headers} -d '{envelope}'"
