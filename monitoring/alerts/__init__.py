"""From an incident, or a move of production, to a message, and from the outbox to its channels."""
