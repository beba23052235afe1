"""From an incident to a message, and from the outbox to its channels."""
