"""The responder that coldcase is measured beside: the same work, written in Python with boto3, without tricks and without traps."""
