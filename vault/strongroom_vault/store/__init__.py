"""Where sealed rows rest.

Called by the ledger's one thread. Only this package may import a database driver.
"""
