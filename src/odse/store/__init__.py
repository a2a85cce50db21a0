"""Where bytes live: atomic writes and receipts."""
