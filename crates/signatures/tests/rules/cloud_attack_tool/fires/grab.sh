#!/bin/sh
for f in .aws/credentials .config/gcloud .docker/config.json .git-credentials .netrc; do echo $f; done
