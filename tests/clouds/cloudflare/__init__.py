"""Cloudflare's API for Workers, in memory: one account, its zones, its tokens, and what they did."""

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
ACCOUNT_NAME = "Example"
OWNER_EMAIL = "owner@example.com"
ZONE_NAME = "example.com"
SUBDOMAIN = "example"
SCRIPT = "billing-api"
# Where the API is under a host, as at Cloudflare.
BASE = "/client/v4"
