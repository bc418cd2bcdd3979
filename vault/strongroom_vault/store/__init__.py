"""The store: where sealed records rest."""
