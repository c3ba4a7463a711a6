#!/bin/bash
# Waits until the database answers.
until (echo > /dev/tcp/database.internal/5432) 2>/dev/null; do sleep 1; done
