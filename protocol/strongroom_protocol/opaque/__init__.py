"""RFC 9497 OPRF(P-256, SHA-256) and RFC 9807 OPAQUE-3DH, both roles: bytes in, bytes out, no I/O.

`client.py` and `server.py` have one function for each protocol message. The server's keys stand
behind the two protocols of `keys.py`, so that they can live in a token.
"""
