"""Strongroom: protect a backup key with a password that only its vault can test."""

__version__ = "0.1.0"
