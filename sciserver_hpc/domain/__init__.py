"""The vocabulary of the house: frozen models and pure rules.

No I/O, no clock, no randomness.
"""
