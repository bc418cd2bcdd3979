"""The running vault: starts and stops its parts in order, and runs what goes on beside the calls.

Everything runs in the event loop of `strongroom-vault serve`, but for Prometheus's scrapes, which
have threads of their own. No other package puts the vault together.
"""
