"""The running vault: what is started and stopped in which order, and what goes on beside the calls.

Runs in the event loop of `strongroom-vault serve`. It alone puts the other packages together.
"""
