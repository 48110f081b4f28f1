"""How good a model is: metrics, reliability, paired tests."""
