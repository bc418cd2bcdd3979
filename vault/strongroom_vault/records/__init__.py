"""What the vault keeps for an account, and what each request makes of it.

Pure: no I/O, no clock, no thread of its own. The ledger's thread calls it, and so may any other.
"""
