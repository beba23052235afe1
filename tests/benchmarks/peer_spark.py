"""The same with Spark: `mlflow.pyfunc.spark_udf` of a plain pipeline with ridge, on two cores."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

source, target, sample = sys.argv[1:]
os.environ["PYSPARK_PYTHON"] = sys.executable  # else its workers are whatever python3 is
NUMBERS, WORDS = ["age", "bmi", "children"], ["sex", "smoker", "region"]
table = pd.read_csv(sample)
people = table[NUMBERS + WORDS]
model = make_pipeline(
    make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), WORDS)), Ridge()
)
model.fit(people, table["charges"])
with TemporaryDirectory() as folder:
    place = str(Path(folder) / "model")
    mlflow.sklearn.save_model(
        model, place, serialization_format="cloudpickle", input_example=people.head(5)
    )
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = spark.config("spark.driver.memory", "4g").getOrCreate()
    predict = mlflow.pyfunc.spark_udf(spark, place, result_type="double", env_manager="local")
    frame = spark.read.parquet(source)
    frame = frame.withColumn("premium", predict(struct(*people.columns)))
    frame.write.mode("overwrite").parquet(target)
    spark.stop()
