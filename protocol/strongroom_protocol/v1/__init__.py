"""Generated from protos/strongroom/v1/vault.proto: BackupKeyVault."""
