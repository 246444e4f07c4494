"""Where things lie: a folder or a bucket behind one interface, atomic files, and leases that machines can trust."""
