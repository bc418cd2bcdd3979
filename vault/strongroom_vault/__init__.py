"""The Strongroom vault: a gRPC service over a PKCS#11 token."""
