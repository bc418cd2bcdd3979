"""What the vault needs of the operating system: files, locks, logs, limits.

Any process, any thread. Knows nothing of keys or records.
"""
