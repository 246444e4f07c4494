"""What the tests share: servers that misbehave, processes to kill, calls and clients."""
