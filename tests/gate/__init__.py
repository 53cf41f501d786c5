"""The gate of a session, its certificate authority, and the broker's way to ask it."""
