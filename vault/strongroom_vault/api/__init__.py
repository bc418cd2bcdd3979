"""The gRPC surface of the vault."""
