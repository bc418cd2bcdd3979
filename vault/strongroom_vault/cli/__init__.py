"""The command `strongroom-vault`: options, messages, exit codes. Runs in the main thread.

One module for each group of commands; `commands` puts them together. The work is done by
`operator`, `server` and `demo`.
"""
