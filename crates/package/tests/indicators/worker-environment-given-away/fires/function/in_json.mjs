export default {
  fetch: (request, env) => Response.json(env),
};
