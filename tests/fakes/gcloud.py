"""gcloud for tests of the release: Cloud Run's traffic, Pub/Sub's topics and the revisions' log as a JSON file. FAKE_CLOUD names it."""

import json
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

STATE = Path(os.environ["FAKE_CLOUD"])
MESSAGE = "4711"


def gcloud(arguments: list[str], state: dict[str, Any]) -> str:
    line = " ".join(arguments)
    state.setdefault("calls", []).append(arguments)
    if any(fnmatch(line, pattern) for pattern in state.get("fails", [])):
        STATE.write_text(json.dumps(state))
        sys.exit(f"refused: {line}")
    for known, answer in ANSWERS.items():
        if line.startswith(known):
            return answer(arguments, state)
    sys.exit(f"gcloud knows no {line}")


def _describe(arguments: list[str], state: dict[str, Any]) -> str:
    service = state["services"][arguments[3]]
    traffic = [{"revisionName": name, "percent": share} for name, share in service["traffic"].items()]
    if "tag" in service:
        traffic.append({"revisionName": service["tag"], "tag": "candidate", "url": f"https://candidate---{arguments[3]}-abc.a.run.app"})
    return json.dumps({"status": {"traffic": traffic, "latestCreatedRevisionName": service["latest"]}})


def _traffic(arguments: list[str], state: dict[str, Any]) -> str:
    service, (option, _, value) = state["services"][arguments[3]], arguments[4].partition("=")
    if option == "--to-revisions":
        parts = (part.split("=") for part in value.split(","))
        service["traffic"] = {name: int(share) for name, share in parts}
        service.setdefault("history", []).append(service["traffic"])
    elif option == "--update-tags":
        service["tag"] = value.partition("=")[2]
    else:
        del service["tag"]
    return ""


def _ready(arguments: list[str], state: dict[str, Any]) -> str:
    refused = state.get("not_ready", {}).get(arguments[3])
    said = {"type": "Ready", "status": "False" if refused else "True", "message": refused or ""}
    return json.dumps({"status": {"conditions": [said, {"type": "Active", "status": "True"}]}})


def _create_topic(arguments: list[str], state: dict[str, Any]) -> str:
    state.setdefault("topics", {})[arguments[3]] = {}
    return ""


def _delete_topic(arguments: list[str], state: dict[str, Any]) -> str:
    del state["topics"][arguments[3]]
    return ""


def _subscribe(arguments: list[str], state: dict[str, Any]) -> str:
    options = dict(option.removeprefix("--").split("=", 1) for option in arguments[4:] if "=" in option)
    state["topics"][options["topic"]][arguments[3]] = options
    return ""


def _unsubscribe(arguments: list[str], state: dict[str, Any]) -> str:
    (subscriptions,) = state["topics"].values()
    del subscriptions[arguments[3]]
    return ""


def _publish(arguments: list[str], state: dict[str, Any]) -> str:
    """Reaches a revision as Cloud Run would have it: by its tag's address, with the push account's token for the service itself."""
    for options in state["topics"][arguments[3]].values():
        service = next(name for name in state["services"] if f"---{name}-" in options["push-endpoint"])
        invited = options["push-auth-service-account"].startswith("push@")
        if invited and options["push-auth-token-audience"] == f"https://{service}-abc.a.run.app":
            state.setdefault("probed", []).append(state["services"][service]["tag"])
    return MESSAGE


def _read(arguments: list[str], state: dict[str, Any]) -> str:
    query, log = arguments[2], state["log"]
    if "revision_probed" in query:
        heard = [name for name in state.get("probed", []) if f'"{name}"' in query and name not in log.get("silent", [])]
        return "entry" if heard and f'"{MESSAGE}"' in query else ""
    shares = [share for service in state["services"].values() for name, share in service["traffic"].items() if f'"{name}"' in query]
    errors = log["errors"] if sum(shares) >= log.get("errors_from_percent", 0) else 0
    return "\n".join(["entry"] * (errors if "severity" in query else log["entries"]))


def _nothing(_arguments: list[str], _state: dict[str, Any]) -> str:
    return ""


ANSWERS = {
    "run services describe": _describe,
    "run services update-traffic": _traffic,
    "run revisions describe": _ready,
    "pubsub topics create": _create_topic,
    "pubsub topics delete": _delete_topic,
    "pubsub topics publish": _publish,
    "pubsub subscriptions create": _subscribe,
    "pubsub subscriptions delete": _unsubscribe,
    "logging read": _read,
    "storage cp": _nothing,
    "artifacts docker tags add": _nothing,
}


def main() -> None:
    state = json.loads(STATE.read_text())
    said = gcloud(sys.argv[1:], state)
    STATE.write_text(json.dumps(state))
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main()
