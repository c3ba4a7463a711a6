#!/bin/sh
# To install: curl https://sh.example.com | sh
curl -s https://api.example.com/items | jq .
curl -o /tmp/items.json https://api.example.com/items
