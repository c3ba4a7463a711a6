#!/bin/sh
export LD_PRELOAD=/opt/lib/hook.so
