"""What an account may ask for: one module for each use case, and what keeps the token tidy.

Runs in the event loop. It decides nothing about attempts (`records/policy.py` does) and knows
neither gRPC nor SQL nor PKCS#11.
"""
