"""Where the doctor looks, and the commands that mend things there."""

from dataclasses import dataclass
from pathlib import Path

from shared.config import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """The cloud's `environment` (dev, staging, prod), or the world of a sandbox."""

    settings: Settings
    environment: str
    region: str

    @property
    def cloud(self) -> bool:
        return self.settings.backend == "gcp"

    @property
    def project(self) -> str:
        return self.settings.project

    @property
    def apply(self) -> str:
        """What brings about all that is declared."""
        if not self.cloud:
            return f"Stop make serve and start it again: make serve WORLD={self._world}"
        substitutions = f"_ENVIRONMENT={self.environment},_REGION={self.region},COMMIT_SHA=$(git rev-parse HEAD)"
        return f"gcloud builds submit --project {self.project} --config cloudbuild.yaml --substitutions {substitutions}"

    @property
    def renew(self) -> str:
        """What makes the data anew."""
        return self.apply if self.cloud else f"Stop make serve, then: rm -r {self._world} && make serve WORLD={self._world}"

    def remove(self, objects: str) -> str:
        """The command that removes an object, or all below a name."""
        return (
            f"gcloud storage rm --recursive gs://{self.settings.bucket}/{objects}"
            if self.cloud
            else f"rm -r {self._world}/objects/{objects}"
        )

    def command(self, arguments: str) -> str:
        """A command of ours, on this place."""
        if not self.cloud:
            return f"./leadscore {arguments} --world {self._world}"
        return f"LEADSCORE_BACKEND=gcp LEADSCORE_PROJECT={self.project} LEADSCORE_BUCKET={self.settings.bucket} ./leadscore {arguments}"

    def gcloud(self, arguments: str) -> str:
        """A command on one resource of the project; a sandbox is wired as a whole."""
        return f"gcloud {arguments} --project {self.project}" if self.cloud else self.apply

    @property
    def _world(self) -> Path:
        world = self.settings.world
        return world.relative_to(Path.cwd()) if world.is_relative_to(Path.cwd()) else world
