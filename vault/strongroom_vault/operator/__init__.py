"""What operators do to a vault from outside: make, inspect, copy, restore, measure.

Runs in the process of one command. No gRPC server and no Prometheus here: `admin_client` talks to
the running vault over its socket, and `development` is given a server by the cli.
"""
