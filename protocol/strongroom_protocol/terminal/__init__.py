"""What the commands of client and vault share: how they start, their streams, printable text."""
