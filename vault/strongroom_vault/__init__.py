"""The Strongroom vault: a gRPC service over a PKCS#11 token."""

import os

# TLS 1.3 alone. gRPC for Python has no setting for the lowest version. Its BoringSSL applies this
# list to TLS 1.2 and below, and a pre-shared key suite can never be agreed upon, as nobody has a
# pre-shared key: what remains is TLS 1.3. gRPC reads the variable once, when it is loaded, so it is
# set here, before any module of the vault loads gRPC.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-AES256-CBC-SHA"
# Its own notes would stand between the lines of the log, and they are no JSON.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
