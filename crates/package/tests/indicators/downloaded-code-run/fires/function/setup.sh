#!/bin/sh
curl -fsSL https://cdn.example.net/i.sh | sh
