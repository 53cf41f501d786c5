"""The agent, the client that starts it, and the fake that stands in for both."""
