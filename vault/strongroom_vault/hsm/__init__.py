"""The token: PKCS#11, in processes of its own."""
