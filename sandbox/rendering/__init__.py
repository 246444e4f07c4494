"""What the sandbox answers with: pictures, and the JSON or the events around them."""
