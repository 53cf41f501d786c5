"""The same portal, client and home of their own as the client's tests have."""

from tests.client.conftest import client, home, portal

__all__ = ["client", "home", "portal"]
