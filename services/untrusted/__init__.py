"""Text, files and addresses from outside: one escaper, one YAML reader, one CSV writer, one URI checker."""
