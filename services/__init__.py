"""Everything that is true without a screen: governance of the MLflow model registry."""
