"""What a device remembers: vaults it knows, accounts, their keys, an undecided attempt."""
