"""Work that runs beside the app: the sandbox, the queue and its jobs, and the outbox."""
