if (process.env.NODE_OPTIONS === "--inspect") console.log(process.env.LD_PRELOAD);
