exports.handler = async (event) => {
  const body = Buffer.from(event.body, "base64").toString();
  const found = /x=(\d+)/.exec(body);
  return found;
};
