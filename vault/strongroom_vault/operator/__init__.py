"""What operators do to a vault from outside: make, look, copy, restore, measure.

Runs in the process of one command. No gRPC server and no Prometheus here: `admin_client` asks the
running vault over its socket.
"""
