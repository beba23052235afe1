"""`python -m insurance_predictor`."""

from insurance_predictor.cli import main

if __name__ == "__main__":
    main()
