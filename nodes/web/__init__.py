"""Routes for the browser: connections, prices, keys, and the batch panel."""
