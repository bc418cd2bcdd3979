"""What client and vault share: OPAQUE, the messages of BackupKeyVault, labels, conversions.

Pure but for the random numbers of OPAQUE and the streams of `terminal`. It imports neither the
client nor the vault, opens no connection, and runs in whatever process and thread calls it.
"""

__version__ = "0.1.0"
