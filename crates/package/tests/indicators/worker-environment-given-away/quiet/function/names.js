export default {
  async fetch(request, env) {
    return new Response(JSON.stringify({ bindings: Object.keys(env), version: env.VERSION }));
  },
};
