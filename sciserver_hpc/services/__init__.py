"""The use cases: load, decide, change, record the event. They know the world only through `ports`."""
