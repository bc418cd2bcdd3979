#!/bin/sh
# Makes a SoftHSM token in a folder: init-token.sh DIR [LABEL]. The script is part of the vault's
# package, so that an installed `strongroom-vault demo` has it too.
exec "$(dirname "$0")/../vault/strongroom_vault/operator/init-token.sh" "$@"
