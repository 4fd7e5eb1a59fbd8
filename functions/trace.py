"""The trace a request belongs to, in the words Cloud Logging joins log lines by."""

import re

_HEADER = re.compile(r"([0-9a-f]{32})(?:/(\d{1,20}))?(?:;o=[0-9]+)?")


def trace_of(header: str, project: str) -> dict[str, str]:
    """From `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=1`; nothing when the header is absent or of another form."""
    match = _HEADER.fullmatch(header)
    if not match:
        return {}
    trace, span = match.groups()
    fields = {"logging.googleapis.com/trace": f"projects/{project}/traces/{trace}"}
    if span:
        fields["logging.googleapis.com/spanId"] = f"{int(span):016x}"[-16:]
    return fields
