"""Where the doctor looks, and the commands that mend things there."""

import sys
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

    def remove(self, *objects: str) -> str:
        """The command that removes objects, each with all below its name."""
        where = f"gs://{self.settings.bucket}" if self.cloud else f"{self._world}/objects"
        return " ".join(["gcloud storage rm --recursive" if self.cloud else "rm -r", *(f"{where}/{name}" for name in objects)])

    def command(self, arguments: str) -> str:
        """A command of ours, on this place."""
        if not self.cloud:
            return f"./leadscore {arguments} --world {self._world}"
        return f"LEADSCORE_BACKEND=gcp LEADSCORE_PROJECT={self.project} LEADSCORE_BUCKET={self.settings.bucket} ./leadscore {arguments}"

    def sql(self, statement: str) -> str:
        """A statement on the warehouse: GoogleSQL in the cloud, DuckDB's own on a laptop."""
        if self.cloud:
            return f"bq query --project_id {self.project} --use_legacy_sql=false '{statement}'"
        return f"{sys.executable} -c \"import duckdb; duckdb.connect('{self._world}/warehouse.duckdb').execute('{statement}')\""

    def gcloud(self, arguments: str) -> str:
        """A command on one resource of the project; a sandbox is wired as a whole."""
        return f"gcloud {arguments} --project {self.project}" if self.cloud else self.apply

    @property
    def _world(self) -> Path:
        world = self.settings.world
        return world.relative_to(Path.cwd()) if world.is_relative_to(Path.cwd()) else world
