"""The token itself: PKCS#11, in a worker's process (or an operator's command), in its one thread.

Only here may `pkcs11` be imported. A worker knows the PIN and nothing of accounts, store or gRPC.
"""
