"""Where a run keeps what it wrote: a directory on a laptop, a prefix of the bucket in the cloud."""

import hashlib
from dataclasses import dataclass, field

from shared.errors import ObjectMissing
from shared.ports import Objects


@dataclass(frozen=True, slots=True)
class Folder:
    """Files below `prefix`, each written whole; `sums` are the sha256 of those written in this run."""

    objects: Objects
    prefix: str = ""
    sums: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, data: bytes | str) -> None:
        content = data.encode() if isinstance(data, str) else data
        self.objects.write(self.prefix + name, content)
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def get(self, name: str) -> bytes | None:
        try:
            return self.objects.read(self.prefix + name).data
        except ObjectMissing:
            return None
