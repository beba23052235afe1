"""What differs between machines: one frozen class over the environment and `.env`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from insurance_predictor.base.environment import export_file
from insurance_predictor.base.errors import InvalidSettings

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
DEFAULT_ARTIFACTS = Path("mlartifacts")


def _text(pattern: str, allowed: str) -> AfterValidator:
    """Text that matches the whole of `pattern`; `allowed` says it in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("text", "it must be {allowed}", {"allowed": allowed})
        return value

    return AfterValidator(check)


Name = Annotated[str, _text(r"[\w .-]+", "letters, digits, spaces, '.', '-' and '_'")]
Alias = Annotated[
    str,
    _text(
        r"(?i)(?!latest$)(?!v\d+$)[a-z0-9_-]+",
        "letters, digits, '-' and '_', and neither 'latest' nor 'v' with a number",
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, _text("[0-9a-f]{64}", "64 digits of 0-9 and a-f")]
Sha256List = Annotated[
    str,
    _text(
        "[0-9a-f]{64}( *, *[0-9a-f]{64})*",
        "sha256 digests, each of 64 digits of 0-9 and a-f, apart by commas",
    ),
]
Address = Annotated[str, _text(r"https?://[^\s/].*", "an address that begins with https://")]
# A URI may hold a password.
Uri = Annotated[str, Field(repr=False)]


class GateThresholds(BaseModel):
    """What a candidate may do; docs/gate.md has the measured reason of each number.

    Set them as GATE_WORSE_THAN_PRODUCTION=0.02 and so on. Shares are fractions: 0.01 is 1 %.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_people: Annotated[int, Field(ge=1)] = 20  # held out, of all and of a slice
    worse_than_production: Share = 0.01  # RMSE, one-sided 97.5 % bound of the paired bootstrap
    most_of_baseline: Share = 0.85  # RMSE, against least squares on the raw columns
    least_of_baseline: Share = 0.45  # RMSE below this share of the baseline's smells of a leak
    total_bias: Share = 0.08
    quote_shift: Share = 0.04  # sum of all quotes, against production's on the same people
    proven_quote_shift: Share = 0.25  # the same, when the RMSE is lower with 97.5 % confidence
    slice_bias: Share = 0.10
    least_coverage: Share = 0.88
    least_smoker_coverage: Share = 0.80  # of each group, which is smaller
    most_coverage: Share = 0.97
    training_rows: Share = 0.50  # of production's
    # In the premium's unit, from one value to the next of a number that it may only rise with; None
    # is a 400th of what people are charged (25 where that is 10,000).
    fall: Annotated[float, Field(ge=0)] | None = None
    age_fall: Annotated[float, Field(ge=0)] | None = None  # the same for age
    children_fall: Annotated[float, Field(ge=0)] | None = None  # and for every number but age


class MonitorThresholds(BaseModel):
    """What monitoring calls an alarm; docs/monitoring.md has the measured reason of each number.

    Set them as MONITOR_DRIFT_BUDGET=0.01 and so on. Shares are fractions: 0.05 is 5 %.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    drift_budget: Share = 0.05  # chance that a window without drift raises any alarm of drift
    performance_budget: Share = 0.01  # the same for the alarms that need outcomes
    least_rows: Annotated[int, Field(ge=20)] = 100  # fewer are too few to judge drift
    least_outcomes: Annotated[int, Field(ge=20)] = 100  # fewer are too few to judge performance
    least_quotes: Annotated[int, Field(ge=1)] = 100  # fewer are too few for error_rate and stale
    null_share: Share = 0.0  # of a feature's values
    unseen_share: Share = 0.0  # of a feature's values that are no known category
    outside_share: Share = 0.0  # of a feature's values beyond the limits of `schema`
    error_rate: Share = 0.01  # of quotes that were asked for
    latency_p95_ms: Annotated[float, Field(gt=0)] = 500.0
    spool_backlog: Annotated[int, Field(ge=0)] = 100  # quotes that waited long for the database
    stale_share: Share = 0.10  # of quotes, while the registry could not be asked
    overdue_hours: Annotated[float, Field(gt=0)] = 36.0  # since monitoring last looked


class IncidentRules(BaseModel):
    """When alarms become an incident, and how often it is spoken of. Set as INCIDENT_WINDOWS=3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evidence: Share = 0.006  # of an alarm's p-value: a smaller one opens an incident
    windows: Annotated[int, Field(ge=1)] = 2  # that share no quotes, whose evidence adds up
    cooldown_hours: Annotated[float, Field(ge=0)] = 24.0  # between two updates of one incident
    quiet_hours: Annotated[float, Field(ge=0)] = 168.0  # one that comes back sooner is the old one


class BatchLimits(BaseModel):
    """How large a table of people may be that is uploaded to the app. Set as BATCH_ROWS=100000."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Annotated[int, Field(ge=1, le=10_000_000)] = 500_000
    megabytes: Annotated[int, Field(ge=1, le=1_000)] = 20  # of the file
    memory_megabytes: Annotated[int, Field(ge=16, le=10_000)] = 64  # to read a Parquet file with


class Settings(BaseSettings):
    """Every name is documented in `.env.example`; an empty value means the default."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        extra="ignore",
        protected_namespaces=(),
        env_nested_delimiter="_",
        env_nested_max_split=1,  # GATE_TOTAL_BIAS is total_bias of gate
    )

    mlflow_tracking_uri: Uri = DEFAULT_TRACKING_URI
    mlflow_tracking_username: str | None = None
    mlflow_tracking_password: SecretStr | None = None
    # Where people open it, when that is elsewhere.
    mlflow_public_url: Annotated[Address | None, Field(repr=False)] = None
    mlflow_experiment_name: str = "insurance_predictor_dev"
    production_experiment_name: str = "insurance_predictor_prod_training"
    artifact_location: str | None = None

    model_name: Name = "insurance_predictor"
    production_alias: Alias = "producao"
    challenger_alias: Alias = "desafio"

    gate: GateThresholds = GateThresholds()

    trusted_pickles: Sha256List | None = None  # of preprocessors that former releases pickled
    model_cache: Path = Path(".cache/model")
    registry_check_seconds: Annotated[float, Field(ge=0.1, le=86400)] = 60.0
    prediction_log_url: Uri = "sqlite:///prediction_log.db"
    prediction_spool: Path = Path(".cache/spool")
    archive: str | None = None  # of old rows of the prediction log: a folder, here or on s3://

    slack_webhook_url: SecretStr | None = None
    slack_bot_token: SecretStr | None = None
    slack_channel: str | None = None
    slack_api_url: Uri = "https://slack.com/api/"
    alert_urls: SecretStr | None = None  # other channels, as apprise writes them
    alert_language: Literal["pt", "en"] = "pt"
    runbook_url: Uri = "docs/runbook.md"

    batch: BatchLimits = BatchLimits()
    upload_folder: Path = Path(".cache/uploads")

    api_host: str = "127.0.0.1"  # where the API listens
    api_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    api_workers: Annotated[int, Field(ge=1, le=64)] = 1  # processes
    api_keys: SecretStr | None = None  # apart by spaces or commas; each is good
    api_megabytes: Annotated[int, Field(ge=1, le=100)] = 1  # of a request's body
    api_seconds: Annotated[float, Field(ge=0.1, le=600)] = 10.0  # that a request may take
    api_waiting: Annotated[int, Field(ge=1, le=100_000)] = 500  # requests, in each process

    monitoring_experiment_name: str = "insurance_predictor_monitoring"
    report_folder: Path = Path(".cache/reports")
    monitor: MonitorThresholds = MonitorThresholds()
    incident: IncidentRules = IncidentRules()

    github_token: SecretStr | None = None
    github_repository: str | None = None
    github_api_url: Uri = "https://api.github.com"

    # Of a Dask cluster, as tcp://host:8786; "local" makes one here, None does without.
    scheduler: str | None = None

    data: str | None = None  # of this command
    data_default: str | None = None  # when neither the command nor its branch has one
    strict: bool = False  # whether columns of a file that nobody knows are refused
    sheet: str | None = None  # of a workbook; its first by default
    faulty_rows: Literal["refuse", "drop"] = "refuse"  # what becomes of rows that break a rule
    faulty_share: Share = 0.05  # of the rows, the most that may be dropped
    data_url: Uri = (
        "https://raw.githubusercontent.com/stedy/"
        "Machine-Learning-with-R-datasets/master/insurance.csv"
    )
    # pragma: allowlist nextline secret
    data_sha256: Sha256 = "505c1cbc2e63d0363bac59501563df2530aadf4cdb9cfee226f4ef32f5468281"
    download_timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    download_retries: Annotated[int, Field(ge=0, le=10)] = 3

    def experiment(self, production: bool) -> str:
        """The experiment that a training logs to and a registration reads from."""
        return self.production_experiment_name if production else self.mlflow_experiment_name

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        """The addresses in ALERT_URLS, which stand apart by spaces or commas; each is a secret."""
        written = self.alert_urls.get_secret_value() if self.alert_urls else ""
        found = re.split(r"(?<![\s,])[\s,]+(?=[\w.+-]+://)", written.strip())
        return tuple(address for address in found if address)

    @property
    def good_api_keys(self) -> tuple[str, ...]:
        """The keys in API_KEYS, which stand apart by spaces or commas; each is a secret."""
        written = self.api_keys.get_secret_value() if self.api_keys else ""
        return tuple(re.findall(r"[^\s,]+", written))

    @property
    def trusted_digests(self) -> frozenset[str]:
        """The sha256 of each pickle that may be loaded."""
        return frozenset(re.findall("[0-9a-f]{64}", self.trusted_pickles or ""))

    @model_validator(mode="after")
    def _aliases_differ(self) -> Self:
        if self.production_alias == self.challenger_alias:
            raise PydanticCustomError(
                "same_alias",
                "PRODUCTION_ALIAS and CHALLENGER_ALIAS are both {alias}: a candidate would serve "
                "without a promotion. Change one of them.",
                {"alias": repr(self.production_alias)},
            )
        return self


def unreadable_secrets(files: Sequence[str]) -> InvalidSettings:
    """What to raise for files of secrets that are no TOML, or no text at all."""
    return InvalidSettings(
        f"{' or '.join(files)} cannot be read. Write it as TOML in UTF-8, each setting as "
        'NAME = "value".'
    )


def read_settings(env_file: Path = Path(".env")) -> Settings:
    """Settings from the environment, then `env_file`, then the defaults.

    The file's names are put in the environment too (what is set there already stays), because
    MLflow and boto3 read `MLFLOW_*` and `AWS_*` from there by themselves. DATA of the file is the
    usual table, DATA of the environment the one of this command. The next reading takes
    the file anew: what has changed in it changes there, and what it no longer says is gone.
    Raises InvalidSettings with one line for each value that cannot be used.
    """
    try:
        export_file(
            {
                "DATA_DEFAULT" if name == "DATA" else name: value
                for name, value in dotenv_values(env_file).items()
                if value
            }
        )
        return Settings()
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{env_file} is not UTF-8 text. Write it again.") from error
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        group = named[1].upper() if named else "A group of settings"
        raise InvalidSettings(
            f"{group} cannot be used. Set its parts, as in GATE_TOTAL_BIAS=0.05."
        ) from error
    except ValidationError as error:
        raise InvalidSettings("\n".join(_sentence(detail) for detail in error.errors())) from error


def _sentence(detail: Any) -> str:
    if detail["type"] in ("same_alias", "votes"):  # a sentence of ours
        return str(detail["msg"])
    variable = "_".join(str(part) for part in detail["loc"]).upper()
    message = detail["msg"]
    if detail["type"] == "extra_forbidden":
        return f"{variable} is not a setting. Look for its name in .env.example."
    allowed = message[0].lower() + message[1:]
    return f"{variable}={detail['input']!r} cannot be used: {allowed}. Change it or unset it."
