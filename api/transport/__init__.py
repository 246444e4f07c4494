"""Everything that goes over the wire: one client, bodies, streams, downloads, foreign errors, retries."""
