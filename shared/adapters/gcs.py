"""Object storage on Google Cloud. Generations are the bucket's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions as google
from google.cloud.storage import Client

from shared.errors import ObjectMissing, ObjectsUnavailable, PreconditionFailed
from shared.ports import Blob


class GcsObjects:
    def __init__(self, client: Client, bucket: str) -> None:
        self._bucket = client.bucket(bucket)

    def read(self, name: str) -> Blob:
        with _our_errors(name):
            blob = self._bucket.blob(name)
            data = blob.download_as_bytes()
            return Blob(data, int(blob.generation))

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        with _our_errors(name):
            blob = self._bucket.blob(name)
            blob.upload_from_string(data, content_type="application/octet-stream", if_generation_match=if_generation)
            return int(blob.generation)

    def names(self, prefix: str) -> list[str]:
        with _our_errors(prefix):
            return sorted(blob.name for blob in self._bucket.list_blobs(prefix=prefix))


@contextmanager
def _our_errors(name: str) -> Iterator[None]:
    try:
        yield
    except google.NotFound:
        raise ObjectMissing(f"There is no object {name}.") from None
    except google.PreconditionFailed as fault:
        raise PreconditionFailed(f"{name} has another generation: {fault.message}", fix="Read it again, then decide.") from fault
    except (google.GoogleAPIError, OSError) as fault:
        raise ObjectsUnavailable(f"Cloud Storage: {fault}", fix="Check the bucket and the service account's role on it.") from fault
