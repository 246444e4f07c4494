"""What the sandbox is asked: bodies of both encodings parsed, and judged as the service does."""
