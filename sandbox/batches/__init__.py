"""The sandbox's files and batches (docs/batch-api.md): uploads on disk, pictures drawn in the background."""
