"""A batch as the app's page quotes it, until its last quote is in the log; prints the seconds."""

import sys
from time import perf_counter

import pandas as pd

from insurance_predictor.base.settings import read_settings
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.predictor import load
from insurance_predictor.serving.quoting import quote_table

PATIENCE = 600  # seconds for the log to take all of them

settings = read_settings()
people = pd.read_parquet(sys.argv[1])
predictor = load(settings)
start = perf_counter()
with PredictionLog(settings) as log:
    quote_table(predictor, people, log, "batch")
    if not log.flush(PATIENCE) or log.lost:
        sys.exit("error: the log did not take all quotes")
print(perf_counter() - start)
