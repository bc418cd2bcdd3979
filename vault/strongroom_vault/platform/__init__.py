"""What the vault needs of Python and the operating system: files, locks, logs, limits, tasks.

For any process and any thread. Knows nothing of keys or records.
"""
