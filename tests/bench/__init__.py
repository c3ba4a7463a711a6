"""coldcase beside a Python responder that does the same: start, first response, event to sealed, memory."""
