"""The release before migration 0004, frozen: its like store, and databases as it leaves them."""
