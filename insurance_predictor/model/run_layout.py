"""What the files and tags of a run and of a version are called, each name said once."""

# Files, below the folder of a run.
MANIFEST = "manifest.json"
MODEL = "model"
MODEL_FILE = "model/model.skops"
# Loaded, as the model is, without running code; the other one is for clients that are not ours.
PREPROCESSOR_SKOPS = "preprocessing/preprocessor.skops"
PREPROCESSOR = "preprocessing/preprocessor.joblib"
SERVING = "serving/serving.json"
# What the version was trained on; versions of before there were such files have none.
COLUMNS = "columns.json"
# What a page about the version shows; nothing here is needed for a premium.
REFERENCE = "reference/reference.csv"
# What the model itself asks of those people, who helped to fit it; no feature has such a name.
FITTED = "fitted premium"
HOLDOUT = "evaluation/holdout.csv"
MODEL_CARD = "model_card.md"
MODEL_CARD_PAGE = "model_card.html"
CONFIGURATION = "configuration.json"
NOTES = "run_notes.txt"
PLOTS = "plots_avaliacao"
# MLflow adds this file to a downloaded copy; it is not part of what was stored.
ADDED_BY_DOWNLOAD = "registered_model_meta"

# What the metrics of the hold-out begin with: holdout.rmse, holdout.smoker_yes.rmse_low, ...
HOLDOUT_METRICS = "holdout"

# Tags of versions.
STATUS_TAG = "validacao_status"
APPROVED, REFUSED = "aprovado", "reprovado"
DATASET_TAG = "versao_dataset"
METRIC_TAG_PREFIX = "metric."
# The digest of the files that the gate has tried, without which an approval is not the gate's.
TRIED_TAG = "tried_sha256"
# Tags of runs.
ROLE_TAG, ROLE, TRIAL_ROLE = "role", "training", "trial"
CANDIDATE_TAG = "candidate"
COMMIT_TAG = "git_commit"
MODEL_URI_TAG = "model_uri"
ROWS_TAG = "rows_train"
TARGET_TAG = "target_column"  # as JSON: what the metrics are in
ROWS_SHA256_TAG = "rows_sha256"
REASONS_TAG = "gate_reasons"
AGAINST_TAG = "against_production"

# What the gate, the registration, serving and monitoring go by; nobody writes these by hand.
DECISION_TAGS = frozenset(
    {STATUS_TAG, DATASET_TAG, CANDIDATE_TAG, COMMIT_TAG, ROWS_TAG, REASONS_TAG, AGAINST_TAG}
    | {ROLE_TAG, MODEL_URI_TAG, TARGET_TAG}
)
DECISION_PREFIX, DECISION_SUFFIX = METRIC_TAG_PREFIX, "_sha256"


def is_decision_tag(key: str) -> bool:
    """Whether a decision rests on the tag; in any spelling, for some databases tell none apart."""
    plain = key.strip().casefold()
    return plain in DECISION_TAGS or (
        plain.startswith(DECISION_PREFIX) or plain.endswith(DECISION_SUFFIX)
    )
