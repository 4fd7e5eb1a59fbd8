"""The composition root of the job: settings to warehouse and objects."""

from shared.config import Settings
from shared.ports import BulkWarehouse, Objects


def adapters(settings: Settings) -> tuple[BulkWarehouse, Objects]:
    """A world's files on a laptop, BigQuery and a bucket in the cloud; the code that uses them is the same."""
    return _local(settings) if settings.backend == "local" else _gcp(settings)


def _local(settings: Settings) -> tuple[BulkWarehouse, Objects]:
    from shared.adapters.directory import DirectoryObjects  # noqa: PLC0415 - the laptop's adapters, not in the cloud
    from shared.adapters.duckdb import DuckDBWarehouse  # noqa: PLC0415

    return DuckDBWarehouse(settings.world / "warehouse.duckdb", threads=4), DirectoryObjects(settings.world / "objects")


def _gcp(settings: Settings) -> tuple[BulkWarehouse, Objects]:
    from google.cloud.bigquery import Client as BigQueryClient  # noqa: PLC0415
    from google.cloud.storage import Client as StorageClient  # noqa: PLC0415

    from shared.adapters.bigquery import BigQueryWarehouse  # noqa: PLC0415
    from shared.adapters.gcs import GcsObjects  # noqa: PLC0415

    warehouse = BigQueryWarehouse(BigQueryClient(settings.project), settings.dataset_prefix)
    return warehouse, GcsObjects(StorageClient(settings.project), settings.bucket)
