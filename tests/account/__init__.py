"""The local account: MiniStack in this process, with the parts of AWS it lacks that coldcase depends on."""

MINISTACK_VERSION = "1.5.33"
ACCOUNT_ID = "111122223333"
REGION = "us-east-1"
