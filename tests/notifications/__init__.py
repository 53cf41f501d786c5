"""Notifications against real receivers."""
