"""gcloud and curl for tests of the release: Cloud Run's traffic as a JSON file. FAKE_CLOUD names it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["FAKE_CLOUD"])


def gcloud(arguments: list[str], state: dict[str, Any]) -> str:
    if arguments[:3] == ["run", "services", "describe"]:
        service = state["services"][arguments[3]]
        traffic = [{"revisionName": name, "percent": share} for name, share in service["traffic"].items()]
        return json.dumps({"status": {"traffic": traffic, "latestCreatedRevisionName": service["latest"]}})
    if arguments[:3] == ["run", "services", "update-traffic"]:
        service, split = state["services"][arguments[3]], arguments[4]
        if split.startswith("--to-revisions="):
            parts = (part.split("=") for part in split.removeprefix("--to-revisions=").split(","))
            service["traffic"] = {name: int(share) for name, share in parts}
            service.setdefault("history", []).append(service["traffic"])
        return ""
    if arguments[:2] == ["auth", "print-identity-token"]:
        return "token"
    if arguments[:2] == ["logging", "read"]:
        return "\n".join(["entry"] * state["log"]["errors" if "severity" in arguments[2] else "entries"])
    if arguments[0] in {"storage", "artifacts"}:
        if state["log"].get("storage_down"):
            sys.exit("storage is down")
        return ""
    sys.exit(f"gcloud knows no {' '.join(arguments)}")


def main() -> None:
    state = json.loads(STATE.read_text())
    if Path(sys.argv[0]).name == "curl":
        said = state["answers"]["score_lead" if "score-lead" in sys.argv[-1] else "others"]
    else:
        said = gcloud(sys.argv[1:], state)
    STATE.write_text(json.dumps(state))
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main()
