"""Who may do what: actors, roles, permissions, local accounts, sessions and API tokens."""
