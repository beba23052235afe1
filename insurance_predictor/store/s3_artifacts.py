"""Artifacts on S3, given up in time where the storage is silent; MLflow alone waits minutes."""

import os
import posixpath
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig
from mlflow.store.artifact import s3_artifact_repo

from insurance_predictor.table.s3 import ATTEMPTS, patience

READ_BY_CLIENTS = ("AWS_", "MLFLOW_S3_", "MLFLOW_BOTO_", "MLFLOW_EXPERIMENTAL_S3_")


class S3Artifacts(s3_artifact_repo.S3ArtifactRepository):
    """MLflow's own repository, with the limits and the credentials that hold now."""

    def _get_s3_client(self) -> Any:
        names = sorted(name for name in os.environ if name.startswith(READ_BY_CLIENTS))
        _start_anew(tuple((name, os.environ[name]) for name in names))
        return super()._get_s3_client()

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        bucket, folder = self.parse_s3_compliant_uri(self.artifact_uri)
        self._get_s3_client().download_file(
            bucket,
            posixpath.join(folder, remote_file_path),
            local_path,
            ExtraArgs=self._bucket_owner_params or None,
            # By default a file that stops arriving is asked for five times.
            Config=TransferConfig(num_download_attempts=ATTEMPTS),
        )


@lru_cache(maxsize=1)
def _start_anew(environment: tuple[tuple[str, str], ...]) -> None:
    """Have new clients made: MLflow keeps one for minutes, with the credentials that it began with.

    MLflow says nothing of time limits to boto3, so they are those of boto3's own session.
    """
    session = botocore.session.get_session()
    session.set_default_client_config(patience())
    boto3.setup_default_session(botocore_session=session)
    s3_artifact_repo._cached_get_s3_client.cache_clear()
