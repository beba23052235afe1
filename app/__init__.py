"""The Streamlit app: screens only; what they show comes from `insurance_predictor`."""
