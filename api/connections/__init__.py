"""Where a request goes and with which key. A workflow carries a connection's name and nothing else."""
