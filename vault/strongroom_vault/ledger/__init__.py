"""The records and the proof that they are the newest: commits, heads, the Merkle tree, the anchor.

`group_commit` runs in the event loop and hands whole batches to one thread, which alone reads and
writes the store. Everything else here is pure. Nothing here may ask the token, or answer a client.
"""
