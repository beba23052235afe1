"""An MLflow server with two approved versions: killed, brought back, tampered with."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import PREPROCESSOR_SKOPS
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving.predictor import Predictor, load_version
from insurance_predictor.store.tracking import connect
from insurance_predictor.store.versions import aliased_version, get_version
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.servers import Server, free_port, mlflow_server

USER = "admin"
MOST = 0.95  # of the people, so that the first version learned something else
FIRST, SECOND = "1", "2"


@dataclass
class Registry:
    """A server with basic auth in `folder`, on a port that it keeps."""

    folder: Path
    password: str = field(default_factory=secrets.token_urlsafe)
    port: int = field(default_factory=free_port)
    server: Server | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def settings(self) -> Settings:
        return Settings(mlflow_tracking_uri=f"http://127.0.0.1:{self.port}")

    @property
    def client(self) -> MlflowClient:
        return connect(self.settings)

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "MLFLOW_TRACKING_URI": self.settings.mlflow_tracking_uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    def start(self) -> None:
        """Return once it answers."""
        server = mlflow_server(self.folder, (USER, self.password), self.port)
        self.server = self._running.enter_context(server)

    def kill(self) -> None:
        """End the server at once, without a chance to finish anything."""
        if self.server is not None:
            self.server.kill()

    def close(self) -> None:
        """End every server that was started."""
        self._running.close()

    def fill(self) -> None:
        """Train, register and promote two versions; the second one serves."""
        for table in self._tables():
            run = train(self.client, self.settings, table, TrainingOptions())
            number = register(self.client, self.settings, run.run_id).version.number
            promote(self.client, self.settings, number)

    def _tables(self) -> tuple[Table, Table]:
        whole = read_table(self.settings)
        file = self.folder / "most.csv"
        whole.frame.iloc[: round(MOST * len(whole.frame))].to_csv(file, index=False)
        return read_table(Settings(data=str(file))), whole

    @property
    def serving(self) -> str:
        """The number of the version in production."""
        return aliased_version(self.client, self.settings, self.settings.production_alias)

    @property
    def other(self) -> str:
        """The number of the version that is not in production."""
        return SECOND if self.serving == FIRST else FIRST

    def promote(self, number: str) -> None:
        promote(self.client, self.settings, number)

    def predictor(self, number: str) -> Predictor:
        """One version, past the app."""
        version = get_version(self.client, self.settings, number)
        return load_version(self.client, self.settings, version)

    @contextmanager
    def tampered_in_production(self, number: str) -> Iterator[None]:
        """Meanwhile a version whose preprocessor somebody changed has the alias, by hand."""
        name, alias = self.settings.model_name, self.settings.production_alias
        before = self.serving
        run_id = get_version(self.client, self.settings, number).run_id
        (file,) = self.folder.glob(f"artifacts/*/{run_id}/artifacts/{PREPROCESSOR_SKOPS}")
        genuine = file.read_bytes()
        file.write_bytes(genuine[:-1] + bytes([genuine[-1] ^ 1]))
        self.client.set_registered_model_alias(name, alias, number)
        try:
            yield
        finally:
            self.client.set_registered_model_alias(name, alias, before)
            file.write_bytes(genuine)


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """A running server without any version."""
    made = Registry(folder)
    try:
        made.start()
        yield made
    finally:
        made.close()
