"""Generated from protos/strongroom/v1/admin.proto: VaultAdmin, for operators."""
