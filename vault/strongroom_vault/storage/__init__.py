"""Messages that the vault keeps at rest."""
