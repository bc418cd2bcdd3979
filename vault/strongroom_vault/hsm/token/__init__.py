"""The token itself: PKCS#11, in a worker's process (or an operator's command), in its one thread.

Only here may `pkcs11` be imported. `open_token` opens a session and finds keys and anchor in it;
`worker` serves the vault's jobs with that (`handlers`), and `diagnostics` tries what a token can
do. A worker knows the PIN, and nothing of accounts, store or gRPC.
"""
