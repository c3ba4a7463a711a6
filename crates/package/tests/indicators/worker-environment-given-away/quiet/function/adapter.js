import app from "./app.js";
export default {
  async fetch(request, env, ctx) {
    for (const [name, value] of Object.entries(env)) {
      if (typeof value === "string") process.env[name] = value;
    }
    return app.fetch(request, { ...env, started: true }, ctx);
  },
};
