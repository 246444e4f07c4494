"""The service: schemas, catalogue, connections, the synchronous client, the job store and the sandbox."""
