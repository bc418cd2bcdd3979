"""Generated from protos/strongroom_vault/storage/v1/record.proto."""
