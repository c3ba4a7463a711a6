#!/bin/sh
export NODE_OPTIONS="--max-old-space-size=512"
unset LD_PRELOAD
if [ -n "$LD_PRELOAD" ]; then echo set; fi
