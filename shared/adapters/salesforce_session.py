"""A logged-in session with Salesforce: JWT bearer, renewed once, patient with a server in trouble, sparing with the quota."""

import random
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceOperationError,
)

from shared.config import SalesforceSettings
from shared.errors import CrmRefused, CrmUnavailable
from shared.policies import SalesforcePolicy

T = TypeVar("T")

_PAUSES = (0.2, 0.8)
"""Seconds before a call that Salesforce turned away (503) is made again; then the message's own backoff takes over."""
_TURNED_AWAY = 503
_SERVER_FAULT = 500


class Quota:
    """The org's daily API calls as `Sforce-Limit-Info` last told them; a reading is believed for `believed_seconds`."""

    def __init__(self, share: float, believed_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._believed_seconds = believed_seconds
        self._now = now
        self._used, self._total, self._read_at = 0, 0, 0.0

    def read(self, header: str) -> None:
        if told := re.search(r"api-usage=(\d+)/(\d+)", header):
            self._used, self._total, self._read_at = int(told[1]), int(told[2]), self._now()

    def spent(self) -> None:
        """Salesforce says that there is nothing left."""
        self._used, self._total, self._read_at = max(self._used, self._total, 1), max(self._total, 1), self._now()

    @property
    def usage(self) -> tuple[int, int]:
        """Calls used and allowed today; (0, 0) before the first answer."""
        return self._used, self._total

    def check(self) -> None:
        """CrmUnavailable when our share of the day is used up: the rest belongs to the people and their tools."""
        fresh = self._total and self._now() - self._read_at < self._believed_seconds
        if fresh and self._used >= self._share * self._total:
            raise CrmUnavailable(
                f"Salesforce has used {self._used:,} of its {self._total:,} API calls today; we stop at {self._share:.0%}.",
                fix="Nothing is lost: the nightly sync writes what is missing. quota_share is in policies/salesforce.yaml.",
            )


class SalesforceSession:
    """`settings.url` sends every call to a sandbox server instead."""

    def __init__(self, settings: SalesforceSettings, policy: SalesforcePolicy) -> None:
        self._settings = settings
        self._timeout = policy.timeout_seconds
        self._login_lock = threading.Lock()
        self._salesforce: Salesforce | None = None
        self.clock_ahead: timedelta | None = None
        self.quota = Quota(policy.quota_share, policy.quota_believed_seconds)

    def call(self, work: Callable[[Salesforce], T]) -> T:
        """One call in our errors. An expired session is renewed once; what was turned away is asked again.

        A call that got no answer at all is not repeated here: it may have been carried out, so look before writing again.
        """
        self.quota.check()
        for pause in (*_PAUSES, None):
            try:
                with _our_errors(self.quota):
                    return self._renewing(work)
            except _TurnedAwayError as fault:
                if pause is None:
                    raise CrmUnavailable(fault.what, fix=fault.fix) from fault
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError

    def close(self) -> None:
        if self._salesforce is not None:
            self._salesforce.session.close()

    def _renewing(self, work: Callable[[Salesforce], T]) -> T:
        try:
            return work(self._connected())
        except SalesforceExpiredSession:
            self._salesforce = None
            return work(self._connected())

    def _connected(self) -> Salesforce:
        with self._login_lock:
            if self._salesforce is None:
                self._salesforce = self._login()
            return self._salesforce

    def _login(self) -> Salesforce:
        session = requests.Session()
        # On the session, not on the call: simple-salesforce drops a call's own headers when it renews a session,
        # and without this one Salesforce re-runs assignment rules and moves owners.
        session.headers["Sforce-Auto-Assign"] = "FALSE"
        session.mount("https://", _Patient(self._settings.url, self._timeout, self._heard))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a user who is not let in it advises to log in by hand; the error says enough
            return Salesforce(
                username=self._settings.username,
                consumer_key=self._settings.consumer_key,
                privatekey=self._settings.private_key,
                domain=self._settings.domain,
                session=session,
            )

    def _heard(self, headers: Mapping[str, str]) -> None:
        self.quota.read(headers.get("Sforce-Limit-Info", ""))
        told = parsedate(headers.get("Date", ""))
        self.clock_ahead = datetime(*told[:6], tzinfo=UTC) - datetime.now(UTC) if told else None


class _Patient(HTTPAdapter):
    """A time limit on every call, and another host where a sandbox is meant (simple-salesforce insists on https)."""

    def __init__(self, url: str, timeout: float, heard: Callable[[Mapping[str, str]], None]) -> None:
        super().__init__(pool_maxsize=16)
        self._url = url
        self._timeout = timeout
        self._heard = heard

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        if self._url and request.url:
            request.url = re.sub(r"^https://[^/]+", self._url, request.url)
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        answer = super().send(request, *args, **kwargs)  # type: ignore[arg-type]
        self._heard(answer.headers)
        return answer


class _TurnedAwayError(CrmUnavailable):
    """Salesforce did not take the call, so it can be made again at once."""


@contextmanager
def _our_errors(quota: Quota) -> Iterator[None]:
    try:
        yield
    except SalesforceAuthenticationFailed as fault:
        fix = "Check the consumer key, the certificate, the integration user and the machine's clock."
        raise CrmUnavailable(f"Salesforce refused the login: {fault}", fix=fix) from fault
    except SalesforceError as fault:
        raise _translated(fault, quota) from fault
    except SalesforceOperationError as fault:
        raise CrmUnavailable(f"Bulk job: {fault}", fix="Retried by itself; see the job in Salesforce Setup.") from fault
    except requests.RequestException as fault:
        raise CrmUnavailable(f"Salesforce did not answer: {fault}", fix="Retried by itself; check its status page.") from fault


def _translated(fault: SalesforceError, quota: Quota) -> CrmUnavailable | CrmRefused:
    said = f"Salesforce answered {fault.status}: {fault}"
    if fault.status == _TURNED_AWAY:
        return _TurnedAwayError(said, fix="Retried by itself; check its status page.")
    if "REQUEST_LIMIT_EXCEEDED" in str(fault.content):
        quota.spent()
        return CrmUnavailable(said, fix="Retried by itself with backoff; check API limits.")
    if fault.status in {401, 429} or fault.status >= _SERVER_FAULT:
        return CrmUnavailable(said, fix="Retried by itself with backoff; check API limits and its status page.")
    return CrmRefused(said, fix="Check the fields and the permission set.")
