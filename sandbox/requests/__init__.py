"""sandbox/requests."""
