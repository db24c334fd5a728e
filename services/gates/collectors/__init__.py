"""Collectors: each gathers one kind of evidence, from the registry, the run's files, the sandbox or Prometheus."""
