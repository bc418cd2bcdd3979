"""What an account can ask for: one module for each use case, and the upkeep of keys in the token.

Runs in the event loop. It decides nothing about attempts (`records/policy.py` does) and knows
neither gRPC nor SQL nor PKCS#11.
"""
