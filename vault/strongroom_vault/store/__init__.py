"""Where sealed rows rest.

Called by the ledger's one thread. Only here may a database driver be known.
"""
