"""The command `strongroom-vault`: options, sentences, exit codes. Runs in the main thread.

The work is done by `operator`, `server` and `demo`.
"""
