"""The MLflow registry as seen from here: names, values, the port and its adapters, and the index pages read."""
