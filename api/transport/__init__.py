"""api/transport."""
