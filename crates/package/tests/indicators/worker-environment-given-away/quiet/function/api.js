export default {
  async fetch(request, env) {
    const found = await env.DB.prepare("SELECT * FROM invoices WHERE id = ?").bind(1).first();
    const reply = await fetch("https://api.example.com/v1", {
      headers: { authorization: `Bearer ${env.API_KEY}` },
      body: JSON.stringify({ id: found.id, mode: env.MODE }),
    });
    return new Response(JSON.stringify(await reply.json()));
  },
};
