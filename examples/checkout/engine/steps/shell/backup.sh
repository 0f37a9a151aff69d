#!/bin/sh
set -e
tar czf "/backup/$(date +%F).tgz" orchestrator/Data
