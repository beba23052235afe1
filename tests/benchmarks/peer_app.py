"""What the documentation of MLflow and Streamlit leads to: one page, the pair in cache_resource.

streamlit run tests/benchmarks/peer_app.py
"""

import joblib
import mlflow
import pandas as pd
import streamlit as st

from insurance_predictor.table.schema import FEATURES, REGION, SEX, SMOKER

NAME, ALIAS = "insurance_predictor", "producao"


@st.cache_resource
def load_pair():
    version = mlflow.MlflowClient().get_model_version_by_alias(NAME, ALIAS)
    preprocessor = mlflow.artifacts.download_artifacts(
        run_id=version.run_id, artifact_path="preprocessing/preprocessor.joblib"
    )
    return mlflow.sklearn.load_model(f"models:/{NAME}@{ALIAS}"), joblib.load(preprocessor)


st.title("Insurance premium")
model, preprocessor = load_pair()
person = {
    "age": st.number_input("Age", 18, 100, 40),
    "sex": st.selectbox("Sex", SEX.values),
    "bmi": st.number_input("BMI", 10.0, 60.0, 28.0),
    "children": st.number_input("Children", 0, 20, 1),
    "smoker": st.selectbox("Smoker", SMOKER.values),
    "region": st.selectbox("Region", REGION.values),
}
if st.button("Calculate premium"):
    frame = pd.DataFrame([person])[[column.name for column in FEATURES]]
    premium = model.predict(preprocessor.transform(frame))[0]
    st.metric("Estimated yearly premium", f"US$ {premium:,.0f}")
