"""Google's REST APIs, and the sandbox's bus which speaks one of them: answers as JSON, refusals in our words."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from ops.doctor.check import NotSeen
from shared.errors import ObjectMissing, Transient

GOOGLE = "https://{service}.googleapis.com"
_TIMEOUT_SECONDS = 20
_SERVER_FAULT = 500


class Absent(ObjectMissing):
    """There is no such resource."""


class ApiOff(NotSeen):
    """The API is not turned on in this project: it holds nothing yet."""


class Unanswered(Transient):
    """An API gave no answer, or none that can be used."""


class Rest:
    """`base` may hold {service}, the first word of an API's host name; `project` is what refusals speak of."""

    def __init__(self, session: requests.Session, project: str, base: str = GOOGLE) -> None:
        self._session = session
        self._project = project
        self._base = base

    def get(self, service: str, path: str, **params: Any) -> Any:
        """What the resource is. Absent, NotSeen (403: no right, or the API is off), Unanswered."""
        return self._json(service, self._call("GET", service, path, params=params))

    def post(self, service: str, path: str, body: object) -> Any:
        """The answer of a method that reads by POST, such as getIamPolicy."""
        return self._json(service, self._call("POST", service, path, json=body))

    def every(self, service: str, path: str, key: str, **params: Any) -> Iterator[Mapping[str, Any]]:
        """All items of a list, page by page."""
        token: str | None = None
        while token != "":
            page = self.get(service, path, **params, **({"pageToken": token} if token else {}))
            yield from page.get(key, [])
            token = page.get("nextPageToken", "")

    def exists(self, service: str, path: str) -> bool:
        try:
            self.get(service, path)
        except Absent:
            return False
        return True

    def _call(self, method: str, service: str, path: str, **how: Any) -> requests.Response:
        url = f"{self._base.format(service=service)}/{path}"
        try:
            return self._session.request(method, url, timeout=_TIMEOUT_SECONDS, **how)
        except requests.RequestException as fault:
            raise Unanswered(f"{service} does not answer: {fault}", fix="Look at the network, then run doctor again.") from fault

    def _json(self, service: str, answer: requests.Response) -> Any:
        if answer.ok:
            return answer.json()
        said = _said(answer)
        if answer.status_code == requests.codes.not_found:
            raise Absent(f"{service} has no such resource: {said.get('message', '')}")
        if answer.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise self._not_seen(service, said)
        kind = "does not answer" if answer.status_code >= _SERVER_FAULT else "did not take the question"
        raise Unanswered(f"{service} {kind}: {answer.status_code} {said.get('message', '')}", fix="Run doctor again.")

    def _not_seen(self, service: str, said: Mapping[str, Any]) -> NotSeen:
        reasons = {str(detail.get("reason")) for detail in said.get("details", [])}
        if "SERVICE_DISABLED" in reasons:
            return ApiOff(
                f"the API {service}.googleapis.com is off", fix=f"gcloud services enable {service}.googleapis.com --project {self._project}"
            )
        if said.get("code") == requests.codes.unauthorized:
            return NotSeen("Google does not know who asks", fix="gcloud auth application-default login")
        grant = f"gcloud projects add-iam-policy-binding {self._project} --member user:YOU --role"
        return NotSeen(
            f"your account may not look: {said.get('message', '')}", fix=f"{grant} roles/viewer; {grant} roles/iam.securityReviewer"
        )


def _said(answer: requests.Response) -> Mapping[str, Any]:
    try:
        error = answer.json().get("error", {})
    except ValueError:
        return {"code": answer.status_code, "message": answer.text[:200]}
    return error if isinstance(error, dict) else {"code": answer.status_code, "message": str(error)}
