"""Stand-ins with behaviour, shared by all tests: fakes, not mocks."""
